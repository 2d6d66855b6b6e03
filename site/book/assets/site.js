"use strict";

(function () {
  var root = document.documentElement.dataset.root;

  // make is an element with a class and a text.
  function make(name, className, text) {
    var e = document.createElement(name);
    if (className) e.className = className;
    if (text) e.textContent = text;
    return e;
  }

  // The list of pages scrolls to this page.
  var pages = document.getElementById("contents"), here = pages.querySelector("[aria-current]");
  if (here) pages.scrollTop = here.offsetTop - pages.offsetTop - pages.clientHeight / 3;

  // Copy buttons. With prompts in a block, what stands behind them is copied, without the output.
  function typed(code) {
    if (!code.querySelector(".prompt")) return code.textContent;
    return code.textContent.split("\n").filter(function (line) { return /^ *\$ /.test(line); })
      .map(function (line) { return line.replace(/^ *\$ /, ""); }).join("\n");
  }

  function copy(text) {
    if (!navigator.clipboard) return copyOldWay(text);
    return navigator.clipboard.writeText(text).catch(function () { return copyOldWay(text); });
  }

  // copyOldWay copies where the page has no right to the clipboard.
  function copyOldWay(text) {
    var area = make("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    var done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("not allowed"));
  }

  document.querySelectorAll(".code").forEach(function (block) {
    var button = make("button", "copy", "Copy");
    button.type = "button";
    button.addEventListener("click", function () {
      copy(typed(block.querySelector("code"))).then(function () { button.textContent = "Copied"; },
        function () { button.textContent = "Not copied"; })
        .then(function () { setTimeout(function () { button.textContent = "Copy"; }, 1600); });
    });
    block.append(button);
  });

  // What scrolls sideways can be reached by keyboard.
  function reach() {
    document.querySelectorAll(".table, pre").forEach(function (box) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; else box.removeAttribute("tabindex");
    });
  }
  reach();
  addEventListener("resize", reach);

  // The heading that is read now, in the table of contents.
  var links = {};
  document.querySelectorAll(".toc a").forEach(function (a) { links[decodeURIComponent(a.hash.slice(1))] = a; });
  var heads = Array.prototype.filter.call(document.querySelectorAll("article h2, article h3"),
    function (h) { return links[h.id]; });
  function mark() {
    var now = null;
    heads.forEach(function (h) { if (h.getBoundingClientRect().top < 140) now = h; });
    heads.forEach(function (h) { links[h.id].classList.toggle("now", h === now); });
  }
  if (heads.length > 0) {
    var waiting = false;
    addEventListener("scroll", function () {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(function () { waiting = false; mark(); });
    }, { passive: true });
    mark();
  }

  // The search. Its index is a script: a page from a file system can load that, and nothing else.
  var field = document.getElementById("q"), list = document.getElementById("results"), active = -1, asked = null;

  function withIndex(then) {
    if (window.searchIndex) return then(window.searchIndex);
    if (asked) return asked.push(then);
    asked = [then];
    var script = make("script");
    script.src = root + "assets/search-index.js";
    script.onload = function () { asked.forEach(function (f) { f(window.searchIndex); }); asked = null; };
    document.head.append(script);
  }

  // lit puts text into an element, with the words of the query marked.
  function lit(element, text, query) {
    var words = searchWords(query).sort(function (a, b) { return b.length - a.length; })
      .map(function (word) { return word.replace(/[.*+?^${}()|[\]\\\/-]/g, "\\$&"); });
    text.split(new RegExp("(" + words.join("|") + ")", "i")).forEach(function (part, i) {
      element.append(i % 2 ? make("mark", "", part) : part);
    });
    return element;
  }

  function entry(one, query, name) {
    var a = make(name);
    lit(a.appendChild(make("strong")), one.heading || one.page, query);
    if (one.heading) a.append(make("span", "of", one.page));
    lit(a.appendChild(make("span", "excerpt")), one.text, query);
    return a;
  }

  function choose(i) {
    var all = list.querySelectorAll("[role=option]");
    active = all.length === 0 ? -1 : (i + all.length) % all.length;
    all.forEach(function (a, n) {
      a.setAttribute("aria-selected", n === active);
      if (n === active) { field.setAttribute("aria-activedescendant", a.id); a.scrollIntoView({ block: "nearest" }); }
    });
  }

  function close() {
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function show() {
    var query = field.value;
    if (searchWords(query).length === 0) return close();
    withIndex(function (index) {
      if (query !== field.value) return;
      var found = searchFind(index, query, 8);
      list.replaceChildren();
      active = -1;
      found.sections.forEach(function (one, i) {
        var a = entry(one, query, "a");
        a.href = root + one.url;
        a.id = "result" + i;
        a.tabIndex = -1;
        a.setAttribute("role", "option");
        list.append(a);
      });
      var rest = found.total - found.sections.length;
      list.append(make("p", "count", found.total === 0 ? "No page has all of these words." +
        (rest < 0 ? " These are the nearest." : "") : rest > 0 ? rest + " more: press Enter for all of them." : ""));
      list.hidden = false;
      field.setAttribute("aria-expanded", "true");
    });
  }

  field.addEventListener("focus", function () { withIndex(function () {}); if (field.value) show(); });
  field.addEventListener("input", show);
  field.addEventListener("keydown", function (e) {
    if (e.key === "ArrowDown") choose(active + 1);
    else if (e.key === "ArrowUp") choose(active < 0 ? -1 : active - 1);
    else if (e.key === "Escape") { if (list.hidden) field.blur(); close(); }
    else if (e.key === "Enter" && active >= 0) list.querySelectorAll("[role=option]")[active].click();
    else return;
    e.preventDefault();
  });
  document.addEventListener("click", function (e) { if (!e.target.closest(".search")) close(); });
  document.addEventListener("focusin", function (e) { if (!e.target.closest(".search")) close(); });
  document.addEventListener("keydown", function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA)$/.test(e.target.tagName)) return;
    if (e.key === "/") { field.focus(); field.select(); e.preventDefault(); }
    if (e.key === "Escape" && location.hash === "#contents") location.hash = "#content";
  });

  // The page with all results.
  var all = document.getElementById("found");
  if (!all) return;
  var query = new URLSearchParams(location.search).get("q") || new URLSearchParams(location.hash.slice(1)).get("q");
  if (!query) { field.focus(); return; }
  field.value = query;
  withIndex(function (index) {
    var found = searchFind(index, query, 200);
    document.getElementById("found-count").textContent =
      (found.total === 0 ? "No section has" : found.total === 1 ? "One section has" : found.total + " sections have") +
      " all words of: " + query + (found.total === 0 && found.sections.length > 0 ? " - the nearest:" : "");
    found.sections.forEach(function (one) {
      var a = entry(one, query, "a");
      a.href = root + one.url;
      all.appendChild(make("li")).append(a);
    });
  });
})();
