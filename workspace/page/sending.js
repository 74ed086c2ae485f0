// One press, one POST: the confirm dialog before it, the spinner meanwhile, the refusal in words after it.

import { busyKey } from "./elements.js";
import { post } from "./server.js";

const TOAST_MS = 8000; // at least
const READING_MS = 80; // a character

/** `page` is app.js's: {ui, state, draw}. */
export class Sending {
  constructor(page) {
    this.page = page;
  }

  /**
   * One press of a button or menu of the message or view `scope`: asks when the element says so, shows the spinner,
   * posts what `bodyNow()` says then. Answers whether it went.
   */
  async press(scope, it, blockId, path, bodyNow, names) {
    const { ui, draw } = this.page;
    if (it.confirm && !(await this.asked(it.confirm, names))) return false;
    if (/^https?:/i.test(it.url ?? "")) window.open(it.url, "_blank", "noopener");
    const key = busyKey(scope, blockId, it.action_id);
    ui.busy.add(key);
    draw();
    const { ok } = await this.post(path, bodyNow());
    ui.busy.delete(key);
    draw();
    return ok;
  }

  /** POST as the person whose workspace is shown; a refusal is said in words. */
  async post(path, body) {
    const answer = await post(path, { user: this.page.state.me, ...body });
    if (!answer.ok && !answer.errors) this.toast(answer.message || answer.error || "That did not work.");
    return answer;
  }

  asked(object, names) {
    const { ui, draw } = this.page;
    return new Promise((resolve) => {
      const answer = (yes) => {
        ui.confirm = null;
        draw();
        resolve(yes);
      };
      ui.confirm = { object, names, answer };
      draw();
    });
  }

  toast(text) {
    const { ui, draw } = this.page;
    const it = { id: `${performance.now()}`, text, drop: () => this.dropToast(it) };
    ui.toasts = [...ui.toasts.slice(-2), it];
    setTimeout(it.drop, Math.max(TOAST_MS, text.length * READING_MS));
    draw();
  }

  dropToast(it) {
    const { ui, draw } = this.page;
    ui.toasts = ui.toasts.filter((other) => other !== it);
    draw();
  }
}
