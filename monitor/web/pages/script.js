// What the pages can do beyond HTML: take over what has changed, filter, copy, show local time, probe now.
"use strict";
(() => {
  const local = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      const text = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
      if (/^\d{4}-/.test(time.textContent)) time.textContent = text;
      else time.title = text;
    }
  };
  const key = (node) => (node.nodeType === 1 ? node.dataset.key || node.id : "");
  // Make `old` what `next` is, and keep each element that is still there: what has the focus or is open stays so.
  const merge = (old, next) => {
    if (old.isEqualNode(next)) return;
    if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName || key(old) !== key(next)) {
      old.replaceWith(next);
      return;
    }
    if (old.nodeType !== 1) {
      old.nodeValue = next.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes])
      if (!next.hasAttribute(name) && name !== "open" && name !== "hidden") old.removeAttribute(name);
    for (const { name, value } of next.attributes)
      if (old.getAttribute(name) !== value && name !== "hidden") old.setAttribute(name, value);
    const kept = new Map([...old.children].filter(key).map((child) => [key(child), child]));
    let at = old.firstChild;
    for (const child of [...next.childNodes]) {
      const same = key(child) && kept.get(key(child));
      if (same && same !== at) old.insertBefore(same, at);
      if (same) {
        at = same.nextSibling;
        merge(same, child);
      } else if (at && !(key(at) && kept.has(key(at)) && key(at) !== key(child))) {
        const after = at.nextSibling;
        merge(at, child);
        at = after;
      } else old.insertBefore(child, at);
    }
    while (at) {
      const after = at.nextSibling;
      at.remove();
      at = after;
    }
  };
  const search = () => {
    const field = document.getElementById("search");
    if (!field || field.value === field.defaultValue) return;
    const words = field.value.toLowerCase();
    for (const row of document.querySelectorAll("tr[data-key]")) row.hidden = !row.textContent.toLowerCase().includes(words);
  };
  const ready = () => {
    local();
    search();
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  };
  const say = (text) => (document.getElementById("connection").textContent = text);
  const poll = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const editing = document.activeElement && document.activeElement.closest(".filters");
      if (editing) page.querySelector(".filters").replaceWith(editing.cloneNode(true));
      merge(document.getElementById("main"), page.getElementById("main"));
      document.getElementById("as-of").replaceWith(page.getElementById("as-of"));
      document.title = page.title;
      document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
      say("");
      ready();
    } catch (error) {
      say(`not updated: ${error.message}`);
    }
  };
  document.addEventListener("input", (event) => event.target.id === "search" && search());
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "copied";
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.probe) return;
    event.preventDefault();
    const status = form.querySelector("[role=status]");
    status.textContent = "probing…";
    try {
      const answer = await (await fetch(form.action, { method: "POST" })).json();
      if (answer.error) throw new Error(answer.error);
      location.href = form.dataset.probe + encodeURIComponent(answer.probe_id);
    } catch (error) {
      status.textContent = error.message;
    }
  });
  ready();
  const seconds = Number(document.body.dataset.poll);
  if (seconds) setInterval(poll, seconds * 1000);
})();
