"use strict";
// What the page does beyond showing itself: it draws charts, searches texts and copies code.
// Texts become text nodes only.

(() => {
  const SHOWN = 20; // texts shown at a time
  const DATA = new Set(["values", "datasets", "domain", "sort"]); // holds texts, never colours

  const unpacked = async (element) => {
    const bytes = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  };

  // A copy in which the names of the style sheet's variables have become their colours.
  const coloured = (value, colours) => {
    if (typeof value === "string") {
      return value.startsWith("--") ? colours.getPropertyValue(value).trim() || value : value;
    }
    if (Array.isArray(value)) return value.map((each) => coloured(each, colours));
    if (value === null || typeof value !== "object") return value;
    const copy = {};
    for (const [key, each] of Object.entries(value)) {
      copy[key] = DATA.has(key) ? each : coloured(each, colours);
    }
    return copy;
  };

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  const showTip = (_, event, __, value) => {
    if (value === null || value === undefined || value === "") {
      tip.hidden = true;
      return;
    }
    const shown = typeof value === "object" ? Object.entries(value) : [["", value]];
    tip.replaceChildren(
      ...shown.map(([name, each]) => {
        const line = document.createElement("div");
        const key = document.createElement("span");
        key.textContent = name;
        const said = document.createElement("b");
        said.dir = "auto";
        said.textContent = String(each);
        line.append(key, said);
        return line;
      }),
    );
    tip.hidden = false;
    const gap = 14;
    const right = event.clientX + gap + tip.offsetWidth > innerWidth;
    const left = right ? event.clientX - gap - tip.offsetWidth : event.clientX + gap;
    const below = event.clientY + gap + tip.offsetHeight > innerHeight;
    const top = below ? event.clientY - gap - tip.offsetHeight : event.clientY + gap;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };

  const drawings = [...document.querySelectorAll("[data-chart]")];
  const views = new Map();
  const noLoader = { load: () => Promise.reject(new Error("nothing is loaded")) };

  // What a chart's points are coloured by is chosen beside it.
  const chooser = (drawing) => drawing.closest("[data-recolour]")?.querySelector("select");
  const chosen = (drawing, spec) => {
    const select = chooser(drawing);
    if (!select) return spec;
    const encoding = { ...spec.encoding, ...spec.usermeta.encodings[select.value] };
    return { ...spec, encoding };
  };

  const draw = async (drawing, packed, colours) => {
    const place = document.createElement("div");
    place.className = "plot";
    place.setAttribute("aria-hidden", "true"); // its name and sentence stand in for it
    drawing.replaceChildren(place);
    views.get(drawing)?.finalize();
    const config = coloured(packed.theme, colours);
    config.axis.labelLimit = Math.min(320, 0.42 * drawing.clientWidth); // names beside bars
    const spec = chosen(drawing, packed.charts[drawing.dataset.chart]);
    const made = await vegaEmbed(place, coloured(spec, colours), {
      actions: false,
      ast: true, // no code is made of texts, which the page's policy forbids
      config,
      defaultStyle: false,
      loader: noLoader,
      renderer: drawing.dataset.renderer,
      tooltip: showTip,
    });
    views.set(drawing, made);
    drawing.dataset.drawn = "yes";
  };

  const asked = new Map(); // the last drawing of each, since they take their time
  const redraw = (drawing, packed) => {
    delete drawing.dataset.drawn;
    const before = asked.get(drawing) ?? Promise.resolve();
    const done = before.then(async () => {
      if (asked.get(drawing) !== done) return; // another is to follow
      try {
        await draw(drawing, packed, getComputedStyle(document.documentElement));
      } catch (error) {
        drawing.textContent = "This chart could not be drawn; its figures are beneath it.";
        console.error(error);
      }
    });
    asked.set(drawing, done);
    return done;
  };

  const startCharts = async () => {
    const packed = await unpacked(document.getElementById("charts"));
    const drawAll = async () => {
      for (const drawing of drawings) await redraw(drawing, packed);
    };
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", drawAll);
    }
    for (const drawing of drawings) {
      chooser(drawing)?.addEventListener("change", () => redraw(drawing, packed));
    }
    await drawAll();
    document.documentElement.dataset.ready = "yes";
  };

  const startTexts = (box) => {
    const entries = [...box.querySelectorAll("ol > li")];
    const words = entries.map((entry) => entry.textContent.toLowerCase());
    const facets = entries.map((entry) => entry.dataset.facets.split(" "));
    const search = box.querySelector("input");
    const selects = [...box.querySelectorAll("select")];
    const count = box.querySelector(".count");
    const more = box.querySelector(".more");
    let limit = SHOWN;

    const show = () => {
      const asked = search.value.trim().toLowerCase();
      let found = 0;
      entries.forEach((entry, i) => {
        const isChosen = selects.every((s) => s.value === "" || facets[i][s.dataset.facet] === s.value);
        const isFound = isChosen && words[i].includes(asked);
        found += isFound;
        entry.hidden = !isFound || found > limit;
      });
      const noun = `${box.dataset.texts}${found === 1 ? "" : "s"}`;
      const here = found > limit ? `, the first ${limit} shown` : "";
      count.textContent = `${found.toLocaleString("en")} ${noun}${here}`;
      more.hidden = found <= limit;
    };
    const begin = () => {
      limit = SHOWN;
      show();
    };
    box.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    search.addEventListener("input", begin);
    selects.forEach((select) => select.addEventListener("change", begin));
    more.addEventListener("click", () => {
      limit += SHOWN;
      show();
    });
    show();
  };

  const copy = async (button) => {
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // where there is no clipboard, one key is left
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };

  document.querySelectorAll("[data-texts]").forEach(startTexts);
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.addEventListener("click", () => copy(button));
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
  });
  if (drawings.length) startCharts();
  else document.documentElement.dataset.ready = "yes";
})();
