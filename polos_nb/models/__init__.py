"""Language models: what one is, and the ones that come with polos_nb."""
