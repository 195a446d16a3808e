"use strict";
// Narrows the list to the rows that contain every word typed. Without this script the whole list
// is there, and the browser's own search finds text in it.
(() => {
  const box = document.getElementById("find");
  const rows = [...document.querySelectorAll("article.row")];
  if (!box || rows.length < 2) return;
  // A phone is found however its digits are grouped.
  const plain = (text) => text.toLocaleLowerCase().replace(/(\d)[ ()\u002d]+(?=\d)/g, "$1");
  let texts;
  box.closest("p").hidden = false;
  box.addEventListener("input", () => {
    texts ??= rows.map((row) => plain(row.textContent));
    const wanted = plain(box.value).split(/\s+/);
    let found = 0;
    rows.forEach((row, place) => {
      const fits = wanted.every((word) => texts[place].includes(word));
      row.classList.toggle("out", !fits);
      found += fits;
    });
    document.getElementById("found").textContent = `${found} / ${rows.length}`;
  });
})();
