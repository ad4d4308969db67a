// The panes of a comparison share one zoom and one place: what is seen in one is seen in all.

const MOST_ZOOM = 16;
const PIXELS_SHOW = 2;

function sharedView(changed) {
  let [scale, x, y] = [1, 0, 0]; // x and y: what stands at the left top, in parts of the picture
  const limit = () => {
    x = Math.min(1 - 1 / scale, Math.max(0, x));
    y = Math.min(1 - 1 / scale, Math.max(0, y));
    changed();
  };
  return {
    get scale() {
      return scale;
    },
    transform: () => `scale(${scale}) translate(${-x * 100}%, ${-y * 100}%)`,
    zoom(factor, atX = 0.5, atY = 0.5) {
      const next = Math.min(MOST_ZOOM, Math.max(1, scale * factor));
      x += atX / scale - atX / next;
      y += atY / scale - atY / next;
      scale = next;
      limit();
    },
    move(partX, partY) {
      x += partX / scale;
      y += partY / scale;
      limit();
    },
    reset() {
      scale = 1;
      limit();
    },
  };
}

function pane(view, ratio, ...children) {
  const element = make("div", { class: "pane", style: `aspect-ratio:${ratio}` }, ...children);
  let from = null;
  const part = (event) => {
    const box = element.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  element.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    view.zoom(event.deltaY + event.deltaX < 0 ? 1.2 : 1 / 1.2, ...part(event));
  }, { passive: false });
  element.addEventListener("dblclick", (event) => (view.scale > 1 ? view.reset() : view.zoom(3, ...part(event))));
  element.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".edge")) return;
    from = part(event);
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = part(event);
    view.move(from[0] - to[0], from[1] - to[1]);
    from = to;
  });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (from = null));
  return element;
}
