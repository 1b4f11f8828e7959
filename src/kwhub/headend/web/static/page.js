// Small helps of the pages that need no library: everything works without them, only less quickly.
"use strict";

// A date field sends its form as soon as another day is chosen.
document.addEventListener("change", (event) => {
  const field = event.target.closest("[data-submit-on-change]");
  if (field && field.value) field.form.requestSubmit();
});

// The bytes of a frame and the row that explains them light up together.
function light(event, on) {
  const part = event.target.closest?.("[data-part]");
  const frame = part?.closest(".frame");
  if (!frame) return;
  for (const other of frame.querySelectorAll(`[data-part="${part.dataset.part}"]`)) other.classList.toggle("lit", on);
}
document.addEventListener("pointerover", (event) => light(event, true));
document.addEventListener("pointerout", (event) => light(event, false));

// When an order has come to its end, the tables that show its outcome fetch themselves anew.
const told = new Set();
document.addEventListener("htmx:afterSwap", () => {
  const order = document.querySelector("#order [data-order]");
  if (!order || order.hasAttribute("hx-get") || told.has(order.dataset.order)) return;
  told.add(order.dataset.order);
  document.body.dispatchEvent(new CustomEvent("order-ended"));
});
