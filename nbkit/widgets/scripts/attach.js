// Takes over the static output of a widget wherever it stands in the page, and gives it back at the end.
// Text from services goes into text nodes and attributes only, never into markup.

const SHORTCUTS = "data-lm-suppress-shortcuts"; // Jupyter leaves the keys inside to us

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function listen(model, event, heard, signal) {
  model.on(event, heard);
  signal.addEventListener("abort", () => model.off(event, heard));
}

function put(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

function attached(mount) {
  return {
    initialize({ model }) {
      const memory = {};
      const taken = new Map();
      const giveBack = (place) => {
        const { still, release } = taken.get(place);
        taken.delete(place);
        release.abort();
        place.replaceChildren(...still);
      };
      const look = () => {
        for (const place of taken.keys()) if (!place.isConnected) giveBack(place);
        for (const place of document.getElementsByClassName(model.get("place"))) {
          if (taken.has(place)) continue;
          const still = [...place.childNodes];
          const release = new AbortController();
          const root = make("div", { class: "nbkit-live", [SHORTCUTS]: "true" });
          taken.set(place, { still, release });
          mount(model, root, release.signal, memory);
          place.replaceChildren(root);
        }
      };
      const leave = () => {
        watcher.disconnect();
        for (const place of [...taken.keys()]) giveBack(place);
      };
      const watcher = new MutationObserver(look);
      watcher.observe(document.body, { childList: true, subtree: true });
      model.on("comm_live_update", leave); // the kernel is gone
      look();
      return leave;
    },
    render({ model, el }) {
      const release = new AbortController();
      const root = make("div", { class: "nbkit-live", [SHORTCUTS]: "true" });
      el.append(root);
      mount(model, root, release.signal, {});
      return () => release.abort();
    },
  };
}

function blobAddress(type, buffer) {
  return URL.createObjectURL(new Blob([buffer], { type }));
}
