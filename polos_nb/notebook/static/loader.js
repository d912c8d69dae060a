// What each view carries: it gets the front end's bundle from the library model, once per page, and hands over.
const WAITS = [0, 50, 100, 200, 400, 800, 1500]; // ms; after a reload the library may come up after its views
const MISSING =
  "This view cannot be shown: the kernel that made it was restarted. Run the cell again to get a new one.";

async function libraryOf(model) {
  for (const wait of WAITS) {
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      return await model.widget_manager.get_model(model.get("library"));
    } catch {
      // Not there yet, or gone.
    }
  }
  throw new Error(MISSING);
}

// A page may show views of several kernels, with different bundles: they are kept by their hash.
async function bundleOf(model) {
  const library = await libraryOf(model);
  const bundles = (globalThis.__polos_nb_bundles ??= new Map());
  const hash = library.get("hash");
  if (!bundles.has(hash)) {
    const url = URL.createObjectURL(new Blob([library.get("code")], { type: "text/javascript" }));
    const loading = import(/* webpackIgnore: true */ /* @vite-ignore */ url).finally(() => URL.revokeObjectURL(url));
    bundles.set(hash, loading);
    loading.catch(() => bundles.delete(hash));
  }
  return (await bundles.get(hash)).default;
}

// A function: anywidget calls it for each model, so that no two models share these variables.
export default () => {
  const queued = []; // what came before the bundle was there
  let ready; // Promise of {bundle, link}

  const start = (model) => {
    const keep = (content) => queued.push(content);
    model.on("msg:custom", keep);
    ready ??= bundleOf(model).then((bundle) => {
      model.off("msg:custom", keep);
      return { bundle, link: bundle.initialize({ model, queued }) };
    });
    ready.catch(() => {}); // said by render
  };

  return {
    // Returns at once: anywidget gives up on a view whose initialize takes two seconds.
    initialize({ model }) {
      start(model);
      return () => ready.then(({ link }) => link.dispose(), () => {});
    },
    async render({ model, el }) {
      if (!ready) start(model);
      try {
        const { bundle, link } = await ready;
        return bundle.render({ model, el, link });
      } catch (error) {
        const note = document.createElement("div");
        note.setAttribute("role", "alert");
        note.textContent = error.message === MISSING ? MISSING : `This view cannot be shown: ${error.message}`;
        el.appendChild(note);
        return () => note.remove();
      }
    },
  };
};
