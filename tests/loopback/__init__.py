"""A provider of language models on the loopback interface, so that litellm itself is driven without a key."""
