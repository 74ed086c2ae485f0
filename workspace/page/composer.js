// The box in which people write. What is in it belongs to the person: a redraw never touches it.

import { h } from "./dom.js";

/**
 * Draw a composer. `key` decides whose draft it is: another key is another box. `draft` is {get(), set(text)};
 * `send(text)` answers whether the server took it; text that was refused comes back into the box.
 */
export function drawComposer({ key, label, draft, send }) {
  const submit = async (area) => {
    const text = area.value.trim();
    if (!text) return;
    write(area, draft, "");
    if (!(await send(text)) && area.value === "") write(area, draft, text);
  };
  return h(
    "form",
    {
      key,
      class: "composer",
      onsubmit: (event) => {
        event.preventDefault();
        submit(event.currentTarget.querySelector("textarea"));
      },
    },
    h("textarea", {
      rows: 1,
      "aria-label": label,
      placeholder: label,
      autocomplete: "off",
      dir: "auto",
      maxlength: 12000,
      init: (area) => write(area, draft, draft.get()),
      oninput: (event) => write(event.currentTarget, draft, event.currentTarget.value),
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        if (!event.repeat) submit(event.currentTarget);
      },
    }),
    h(
      "button",
      { type: "submit", class: "send", "aria-label": "Send", title: "Send (Enter)" },
      h("span", { class: "icon send-arrow" }),
    ),
  );
}

function write(area, draft, text) {
  if (area.value !== text) area.value = text;
  draft.set(text);
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, 140)}px`;
}
