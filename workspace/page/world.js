// The right column: the real world, as it answers now, and the events as the bot has stored them.

import { h } from "./dom.js";

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const count = new Intl.NumberFormat("en-GB");
const number = (value) => (typeof value === "number" ? count.format(value) : (value ?? "not known"));

/** What the three targets show to their customers. */
export function drawWorld(world) {
  const { storefront, orders, catalog } = world ?? {};
  return [
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, "The real world"),
      h("small", {}, "read from the targets, not from the bot"),
    ),
    storefront && drawStorefront(storefront),
    h("div", { class: "tiles" }, orders && drawOrders(orders), catalog && drawCatalog(catalog)),
  ];
}

/** "good", "waiting" or "bad", and the word for it. */
export function statusOf(storefront) {
  const { status, maintenance } = storefront;
  if (status === 200) return { look: "good", word: "open" };
  if (status === 503 && maintenance) return { look: "waiting", word: "maintenance" };
  return { look: "bad", word: status ? "broken" : "no answer" };
}

function drawStorefront(storefront) {
  const { look, word } = statusOf(storefront);
  return h(
    "section",
    { key: "storefront", class: `storefront ${look}`, "data-storefront-status": storefront.status ?? "" },
    h(
      "div",
      { class: "storefront-head" },
      h("b", { key: `status-${storefront.status}`, class: "status" }, storefront.status ?? "—"),
      h(
        "div",
        {},
        h("b", {}, "storefront"),
        h("span", { class: "storefront-word", role: "status" }, ` ${word}`),
        h("small", {}, `release ${storefront.release ?? "not known"}`),
      ),
    ),
    storefront.url &&
      h(
        "div",
        { class: "browser" },
        h("div", { class: "address" }, storefront.url),
        h(
          "div",
          { class: "page" },
          h("iframe", {
            sandbox: true, // before src: it counts for what is loaded after it
            src: storefront.url,
            title: "The storefront as customers see it",
            tabindex: "-1",
            each: (frame) => reloadWhenChanged(frame, storefront),
          }),
        ),
      ),
  );
}

function reloadWhenChanged(frame, { url, status, release, maintenance }) {
  const seen = [url, status, release, maintenance].join("|");
  if (frame.seen !== undefined && frame.seen !== seen) frame.src = url;
  frame.seen = seen;
}

function drawOrders(orders) {
  const bad = orders.bad_rows ?? null;
  return tile("orders", bad === 0 ? "good" : "bad", [
    fact(number(orders.total), "orders"),
    fact(number(bad), bad === 1 ? "bad row" : "bad rows", bad === 0 ? "good" : "bad"),
    orders.maintenance && h("span", { key: "closed", class: "closed" }, "closed for maintenance"),
    orders.newest_backup && h("small", { key: "backup" }, `newest backup ${orders.newest_backup}`),
  ]);
}

function drawCatalog(catalog) {
  const broken = catalog.broken_items ?? null;
  return tile("catalog", broken === 0 ? "good" : "bad", [
    fact(number(catalog.items), "items"),
    fact(number(broken), "broken", broken === 0 ? "good" : "bad"),
    h("small", { key: "version", title: catalog.version ?? "" }, catalog.version ?? "version not known"),
  ]);
}

const tile = (name, look, inside) =>
  h("section", { key: name, class: `tile ${look}`, "data-world": name }, h("h3", {}, name), inside);
const fact = (value, label, look = "") =>
  h("div", { key: label, class: `fact ${look}` }, h("b", {}, value), ` ${label}`);

/** One line an event, the newest last. */
export function drawEvents(events) {
  if (!events?.length)
    return h(
      "li",
      { key: "none", class: "no-events" },
      "Nothing yet. Each decision and each step will stand here, in the order in which it was stored.",
    );
  return events.map((event) =>
    h(
      "li",
      { key: `${event.run}|${event.seq}`, class: "event", "data-event": event.kind },
      h("span", { class: "event-run" }, event.run, h("i", {}, ` ${event.seq}`)),
      h("span", { class: "event-words" }, event.words, h("small", {}, ` ${event.kind}`)),
      h("time", { datetime: event.at, title: event.at }, clock.format(new Date(event.at))),
    ),
  );
}
