// The large view of a gallery: one picture over the whole page, with arrow keys and Esc.

function zoomView({ about, ask, isStarred, star, words }) {
  let shown = [];
  let at = 0;
  const place = make("span", { class: "quiet", "aria-live": "polite" });
  const starring = make("button", { type: "button", class: "star", onclick: () => turn(star) });
  const stage = make("div", { class: "stage" });
  const caption = make("div", { class: "words" });
  const dialog = make(
    "dialog",
    { "aria-label": "Large view", onkeydown: onKey, onclose: () => stage.replaceChildren() },
    make(
      "div",
      { class: "bar" },
      make("button", { type: "button", "aria-label": "Previous picture", onclick: () => go(-1) }, "◀"),
      make("button", { type: "button", "aria-label": "Next picture", onclick: () => go(1) }, "▶"),
      place,
      starring,
      make("button", { type: "button", class: "end", "aria-label": "Close the large view", onclick: () => dialog.close() }, "✕"),
    ),
    stage,
    caption,
  );

  function onKey(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (event.key in steps) go(steps[event.key]);
    else if (event.key === "s") turn(star);
    else return;
    event.preventDefault();
  }

  function turn(change) {
    change(shown[at]);
    mark();
  }

  function mark() {
    const on = isStarred(shown[at]);
    starring.textContent = on ? "★ starred" : "☆ star";
    starring.setAttribute("aria-pressed", String(on));
  }

  function go(step) {
    at = Math.min(shown.length - 1, Math.max(0, at + step));
    const number = shown[at];
    place.textContent = `${at + 1} of ${shown.length}`;
    caption.textContent = words(about(number));
    stage.replaceChildren(make("span", { class: "quiet" }, "loading …"));
    mark();
    ask(number, "large", (picture) => {
      if (shown[at] !== number || !dialog.open) return;
      stage.replaceChildren(
        picture.problem
          ? make("span", {}, picture.problem)
          : make("img", { src: picture.address, alt: words(about(number)) }),
      );
    });
  }

  return {
    dialog,
    open(numbers, number) {
      shown = numbers;
      at = Math.max(0, numbers.indexOf(number));
      dialog.showModal();
      go(0);
    },
  };
}
