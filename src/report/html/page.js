"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  for (const tool of all(".filters, .tools, #theme")) tool.hidden = false;

  // ---- light and dark -------------------------------------------------------------
  const themes = ["system", "light", "dark"];
  let theme = "system";
  const setTheme = (name) => {
    theme = name;
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $("theme").textContent = `Theme: ${name}`;
    // A page from a file or in a frame may not be allowed to keep anything.
    try { localStorage.setItem("lkh-theme", name); } catch { /* then it is not kept */ }
  };
  try {
    const kept = localStorage.getItem("lkh-theme");
    if (themes.includes(kept)) setTheme(kept);
  } catch { /* then it begins with the system's */ }
  $("theme").addEventListener("click", () =>
    setTheme(themes[(themes.indexOf(theme) + 1) % themes.length]));

  if (navigator.clipboard && window.isSecureContext) {
    $("copy").hidden = false;
    $("copy").addEventListener("click", () =>
      navigator.clipboard.writeText($("hash").textContent).then(
        () => { $("copy").textContent = "Copied"; },
        () => { $("copy").textContent = "Select it by hand"; }));
  }

  // ---- the list: filter and search ------------------------------------------------
  const items = all(".item");
  const list = $("list");
  const form = document.querySelector(".filters");
  const facets = all("select[data-facet]");
  const texts = new Map();
  // What it is and what happens to it, without the names of its neighbours.
  const textOf = (item) => {
    if (!texts.has(item)) {
      const parts = all("summary, .body > :not(.links)", item).map((part) => part.textContent);
      texts.set(item, parts.join(" ").toLowerCase());
    }
    return texts.get(item);
  };
  const graph = $("graph");
  const nodes = graph ? all(".node") .filter((node) => node.dataset.node) : [];
  const membersOf = new Map(nodes.map((node) => [node, node.dataset.members.split(" ")]));
  let members = null; // those of a box that stands for several

  const filter = () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = facets.filter((facet) => facet.value);
    const quiet = $("unchanged").checked;
    const narrowed = words.length > 0 || wanted.length > 0 || members !== null;
    list.classList.toggle("hide-quiet", !quiet);
    const fits = new Set();
    let shown = 0;
    for (const item of items) {
      const fit = wanted.every((facet) =>
          item.dataset[facet.dataset.facet].split(" ").includes(facet.value)) &&
        (members === null || members.has(item.id.slice(1))) &&
        words.every((word) => textOf(item).includes(word));
      // Whoever asks for something means the unchanged too.
      item.classList.toggle("out", !fit);
      item.classList.toggle("wanted", fit && narrowed);
      if (fit) fits.add(item.id.slice(1));
      if (fit && (quiet || narrowed || !item.classList.contains("quiet"))) shown += 1;
    }
    for (const node of nodes) {
      node.classList.toggle("match", membersOf.get(node).some((member) => fits.has(member)));
    }
    if (graph) graph.classList.toggle("filtered", narrowed);
    const hidden = items.length - shown;
    $("shown").textContent = `${shown} of ${items.length} resources` +
      (hidden > 0 && !narrowed ? `; ${hidden} unchanged are hidden` : "");
    $("nothing").hidden = shown > 0 || !narrowed;
    for (const tile of all(".tile[data-set]")) {
      const [name, value] = tile.dataset.set.split(":");
      const facet = facets.find((one) => one.dataset.facet === name);
      tile.setAttribute("aria-pressed", String(facet.value === value));
    }
  };
  const clear = () => {
    $("search").value = "";
    for (const facet of facets) facet.value = "";
    $("unchanged").checked = false;
    members = null;
    filter();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); clear(); });
  form.addEventListener("input", filter);
  form.addEventListener("change", filter);
  $("clear-too").addEventListener("click", () => { clear(); $("search").focus(); });
  for (const tile of all(".tile[data-set]")) {
    tile.addEventListener("click", () => {
      const [name, value] = tile.dataset.set.split(":");
      const facet = facets.find((one) => one.dataset.facet === name);
      // A value that no resource has is none of the choices.
      facet.value = facet.value === value ? "" : value;
      filter();
    });
  }

  const visible = () => items.filter((item) => item.offsetParent !== null)
    .map((item) => item.querySelector("summary"));
  list.addEventListener("keydown", (event) => {
    const rows = visible();
    const at = rows.indexOf(event.target);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      (rows[to] || (to < 0 ? $("search") : rows[at])).focus();
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      event.target.parentElement.open = event.key === "ArrowRight";
    } else if (event.key === "Escape" && event.target.parentElement.open) {
      event.stopPropagation();
      event.target.parentElement.open = false;
    }
  });
  $("search").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      const first = visible()[0];
      if (first) first.focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if ($("search").value) { $("search").value = ""; filter(); } else $("search").blur();
    }
  });

  // ---- one resource: the panel ----------------------------------------------------
  const detail = $("detail");
  let opener = null;
  const open = (index, from) => {
    const item = $(`r${index}`);
    if (!item) return;
    opener = from || opener;
    $("detail-title").textContent = item.querySelector(".address").textContent;
    const tags = document.createElement("div");
    tags.className = "tags";
    for (const tag of all(".act, .mark, .risk, .phase", item.querySelector("summary"))) {
      tags.append(tag.cloneNode(true));
    }
    $("detail-body").replaceChildren(tags, item.querySelector(".body").cloneNode(true));
    detail.hidden = false;
    detail.dataset.resource = index;
    detail.scrollTop = 0;
    detail.focus();
    choose(index);
  };
  const close = () => {
    if (detail.hidden) return false;
    detail.hidden = true;
    choose(null);
    if (opener && opener.isConnected) opener.focus();
    opener = null;
    return true;
  };
  $("close").addEventListener("click", close);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#r"]');
    if (!link) return;
    event.preventDefault();
    open(link.getAttribute("href").slice(2), detail.contains(link) ? null : link);
  });

  // ---- the picture ----------------------------------------------------------------
  let choose = () => {};
  if (graph) {
    const width = Number(graph.dataset.width);
    const height = Number(graph.dataset.height);
    let view = { x: 0, y: 0, w: width, h: height };
    const edges = all(".edge");
    const show = () => graph.setAttribute("viewBox",
      [view.x, view.y, view.w, view.h].map((n) => Math.round(n * 100) / 100).join(" "));
    const fit = () => { view = { x: 0, y: 0, w: width, h: height }; show(); };
    // Where on the picture a place on the screen is.
    const at = (x, y) => {
      const matrix = graph.getScreenCTM();
      return matrix ? new DOMPoint(x, y).matrixTransform(matrix.inverse())
        : { x: view.x + view.w / 2, y: view.y + view.h / 2 };
    };
    const zoom = (factor, x, y) => {
      const w = Math.min(Math.max(view.w * factor, 240), width * 1.6);
      const real = w / view.w;
      const cx = x === undefined ? view.x + view.w / 2 : x;
      const cy = y === undefined ? view.y + view.h / 2 : y;
      view = { x: cx - (cx - view.x) * real, y: cy - (cy - view.y) * real, w, h: view.h * real };
      show();
    };
    $("zoom-in").addEventListener("click", () => zoom(1 / 1.35));
    $("zoom-out").addEventListener("click", () => zoom(1.35));
    $("zoom-fit").addEventListener("click", fit);
    graph.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      const point = at(event.clientX, event.clientY);
      zoom(Math.exp(event.deltaY / 300), point.x, point.y);
    }, { passive: false });

    let drag = null;
    let dragged = false;
    graph.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      drag = { id: event.pointerId, x: event.clientX, y: event.clientY, view: { ...view } };
      dragged = false;
    });
    graph.addEventListener("pointermove", (event) => {
      if (!drag || event.pointerId !== drag.id) return;
      const dx = event.clientX - drag.x;
      const dy = event.clientY - drag.y;
      if (!dragged && Math.hypot(dx, dy) < 4) return;
      if (!dragged) {
        dragged = true;
        graph.setPointerCapture(drag.id);
        graph.classList.add("dragging");
      }
      const scale = graph.getScreenCTM().a;
      view.x = drag.view.x - dx / scale;
      view.y = drag.view.y - dy / scale;
      show();
    });
    const drop = () => { drag = null; graph.classList.remove("dragging"); };
    graph.addEventListener("pointerup", drop);
    graph.addEventListener("pointercancel", drop);

    // What a box hangs on, and what hangs on it, all the way.
    const trace = (node) => {
      graph.classList.toggle("tracing", node !== null);
      const near = new Set();
      const lit = new Set();
      if (node) {
        for (const [from, to] of [["from", "to"], ["to", "from"]]) {
          const todo = [node.dataset.node];
          const seen = new Set(todo);
          while (todo.length) {
            const one = todo.pop();
            near.add(one);
            for (const edge of edges) {
              if (edge.dataset[from] !== one) continue;
              lit.add(edge);
              if (!seen.has(edge.dataset[to])) { seen.add(edge.dataset[to]); todo.push(edge.dataset[to]); }
            }
          }
        }
      }
      for (const other of nodes) other.classList.toggle("near", near.has(other.dataset.node));
      for (const edge of edges) edge.classList.toggle("near", lit.has(edge));
    };
    let chosen = null;
    choose = (index) => {
      chosen = index === null ? null
        : nodes.find((node) => membersOf.get(node).includes(String(index))) || null;
      for (const node of nodes) node.classList.toggle("chosen", node === chosen);
      trace(chosen);
    };
    const use = (node) => {
      const own = membersOf.get(node);
      if (own.length === 1) { open(own[0], node); return; }
      members = new Set(own);
      filter();
      $("changes").scrollIntoView();
      const first = visible()[0];
      if (first) first.focus({ preventScroll: true });
    };
    graph.addEventListener("click", (event) => {
      if (dragged) { dragged = false; return; }
      const node = event.target.closest(".node");
      if (node) use(node);
      else if (members !== null) { members = null; filter(); }
    });
    graph.addEventListener("pointerover", (event) => {
      if (!drag) trace(event.target.closest(".node") || chosen);
    });
    graph.addEventListener("pointerleave", () => trace(chosen));
    graph.addEventListener("focusin", (event) => {
      const node = event.target.closest(".node");
      if (!node) return;
      for (const other of nodes) other.setAttribute("tabindex", other === node ? "0" : "-1");
      trace(node);
    });
    graph.addEventListener("focusout", () => trace(chosen));

    // One stop for the tab key; the arrows go to the nearest box in their direction.
    const first = nodes.find((node) => !node.classList.contains("quiet")) || nodes[0];
    if (first) first.setAttribute("tabindex", "0");
    const place = (node) => [Number(node.dataset.x), Number(node.dataset.y)];
    const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    graph.addEventListener("keydown", (event) => {
      const node = event.target.closest(".node");
      if (event.key === "+" || event.key === "=") zoom(1 / 1.35);
      else if (event.key === "-") zoom(1.35);
      else if (event.key === "0") fit();
      else if (node && (event.key === "Enter" || event.key === " ")) use(node);
      else if (node && ways[event.key]) {
        const [wx, wy] = ways[event.key];
        const [x, y] = place(node);
        let best = null;
        let least = Infinity;
        for (const other of nodes) {
          const [ox, oy] = place(other);
          const ahead = (ox - x) * wx + (oy - y) * wy;
          const aside = Math.abs((ox - x) * wy) + Math.abs((oy - y) * wx);
          if (ahead > 0 && ahead + 2 * aside < least) { best = other; least = ahead + 2 * aside; }
        }
        if (best) best.focus();
      } else return;
      event.preventDefault();
    });
  }

  // ---- tables ---------------------------------------------------------------------
  for (const head of all("th")) {
    head.querySelector("button").addEventListener("click", () => {
      const table = head.closest("table");
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of all("th", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const column = head.cellIndex;
      const key = (row) => row.cells[column].dataset.s;
      const rows = all("tbody tr", table);
      rows.sort((a, b) => (down ? -1 : 1) * key(a).localeCompare(key(b), "en", { numeric: true }));
      table.tBodies[0].append(...rows);
    });
  }
  const risks = $("risks");
  const more = $("all-risks");
  if (risks && all("tbody tr", risks).length > 14) {
    const say = () => {
      more.textContent = risks.classList.contains("short")
        ? `Show all ${all("tbody tr", risks).length}` : "Show fewer";
    };
    risks.classList.add("short");
    more.hidden = false;
    more.addEventListener("click", () => { risks.classList.toggle("short"); say(); });
    say();
  }

  // ---- keys and print -------------------------------------------------------------
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && close()) event.preventDefault();
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      close();
      $("search").focus();
      $("search").select();
    }
  });
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all(".item:not(.quiet) > details:not([open])");
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => { for (const one of opened) one.open = false; });

  filter();
  const named = /^#r(\d+)$/.exec(location.hash);
  if (named) open(named[1], null);
})();
