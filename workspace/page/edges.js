// The page's edges: the connection's state on top, toasts, and on narrow screens the tabs at the bottom.

import { h } from "./dom.js";
import { statusOf } from "./world.js";

/** Whether the page hears the workspace, and the workspace the bot. `app` is null before the first answer. */
export function drawLink(app, isLinked) {
  const { down, ...others } = app?.faults ?? {};
  const faults = Object.keys(others).filter((name) => others[name]);
  const [look, words] = linkWords(app, isLinked, down);
  return [
    h("span", { class: `link ${look}`, "data-link": look }, words),
    faults.length > 0 &&
      h("span", { class: "link bad" }, `Faults: ${faults.join(", ").replaceAll("_", " ")}`),
  ];
}

function linkWords(app, isLinked, isDown) {
  if (!isLinked) return ["waiting", app ? "Reconnecting to the workspace…" : "Connecting…"];
  if (isDown) return ["bad", "Slack is down"];
  if (!app?.connected) return ["bad", "Bot is down"];
  return ["good", ["Bot connected", h("span", { class: "mode" }, ` · ${app.mode ?? "socket"}`)]];
}

export function drawToast(it) {
  return h(
    "div",
    { key: it.id, class: "toast", role: "alert" },
    h("span", {}, it.text),
    h("button", { type: "button", class: "plain-btn", "aria-label": "Dismiss", onclick: it.drop }, "×"),
  );
}

/** The tabs, each with what is worth knowing about a part that is not shown. */
export function drawPanels(state, ui, act) {
  const { storefront } = state.world ?? {};
  const unread = state.channels.reduce((sum, channel) => sum + act.unread(channel), 0);
  const status = storefront && badge(statusOf(storefront).look, storefront.status ?? "—");
  const tab = (name, label, note) => {
    const pressed = { "aria-pressed": String(ui.panel === name), "data-panel": name };
    return h(
      "button",
      { key: name, type: "button", ...pressed, onclick: () => act.openPanel(name) },
      label,
      note,
    );
  };
  return [
    tab("channels", "Channels", unread > 0 && badge("", unread)),
    tab("slack", "Slack"),
    tab("world", "World", status),
    tab("events", "Events", badge("quiet", state.events?.length ?? 0)),
  ];
}

const badge = (look, words) => h("span", { class: `badge ${look}` }, words);
