"use strict";
// Keeps the progress of the run under way up to date. Without this script the page stays as it
// was when it was asked for, and a link asks again.
(() => {
  const place = document.querySelector("[data-live]");
  if (!place) return;
  const text = place.querySelector("[data-live-text]");
  const bar = place.querySelector("progress");
  const source = new EventSource(place.dataset.live);
  source.addEventListener("message", (event) => {
    const now = JSON.parse(event.data);
    if (now === null) {
      source.close();
      location.reload();
      return;
    }
    text.textContent = now.text;
    bar.hidden = !now.total;
    bar.max = now.total || 1;
    bar.value = now.done;
  });
})();
