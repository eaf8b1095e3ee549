"use strict";

(function theme() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const order = ["system", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const keep = (value) => { try { localStorage.setItem("theme", value); } catch { /* private window */ } };
  const show = (value) => {
    if (value === "system") delete root.dataset.theme; else root.dataset.theme = value;
    button.querySelector("span").textContent = value;
  };
  let value = order.includes(stored()) ? stored() : "system";
  show(value);
  button.hidden = false;
  button.addEventListener("click", () => {
    value = order[(order.indexOf(value) + 1) % order.length];
    show(value);
    keep(value);
  });
})();

// Tables over all images, or over those that a model gives their label.
(function images() {
  const choice = document.getElementById("images");
  if (!choice) return;
  choice.hidden = false;
  choice.addEventListener("change", (event) => {
    document.querySelectorAll("[data-images]").forEach((part) => {
      part.hidden = part.dataset.images !== event.target.value;
    });
  });
})();

(function contents() {
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((a) => a.classList.remove("current"));
      links.get(entry.target.id)?.classList.add("current");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
})();

// Picking lines by their keys in the legend: picked ones stay bright, all others fade.
document.querySelectorAll("figure.drawing").forEach((figure) => {
  const keys = [...figure.querySelectorAll(".key.text")];
  const picked = new Set();
  const show = (hovered) => {
    const bright = new Set(hovered ? [...picked, hovered] : picked);
    figure.classList.toggle("picking", bright.size > 0);
    figure.querySelectorAll(".line, .key").forEach((part) => {
      part.classList.toggle("picked", bright.has(part.dataset.method));
    });
    keys.forEach((key) => key.setAttribute("aria-pressed", picked.has(key.dataset.method)));
  };
  const toggle = (name) => {
    if (!picked.delete(name)) picked.add(name);
    show();
  };
  figure.querySelectorAll(".key").forEach((key) => {
    const name = key.dataset.method;
    key.addEventListener("click", () => toggle(name));
    key.addEventListener("mouseenter", () => show(name));
    key.addEventListener("mouseleave", () => show());
    if (!key.classList.contains("text")) return;
    key.setAttribute("tabindex", "0");
    key.setAttribute("role", "button");
    key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle(name);
    });
  });
  show();
  const hint = figure.querySelector(".hint");  // figures without a legend have none
  if (hint) hint.hidden = false;
});

(function scrubber() {
  const holder = document.getElementById("scrubber-data");
  if (!holder) return;
  const { pictures, items } = JSON.parse(holder.textContent);
  const box = document.querySelector(".scrubber");
  const part = (role) => box.querySelector(`[data-role="${role}"]`);
  const sides = ["a", "b"];
  const unpacked = new Map();
  const images = new Map();
  let item = items[0];
  let timer = null;

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  async function stepsOf(method) {
    if (!unpacked.has(method)) {
      const stream = new Blob([bytes(method.steps)]).stream();
      const raw = new Response(stream.pipeThrough(new DecompressionStream("deflate")));
      unpacked.set(method, new Uint8Array(await raw.arrayBuffer()));
    }
    return unpacked.get(method);
  }
  async function imageOf(key) {
    if (!images.has(key)) {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${pictures[key]}`;
      await image.decode();
      images.set(key, image);
    }
    return images.get(key);
  }

  const chosen = (side) => item.methods.find((m) => m.name === part(side).value) ?? item.methods[0];
  const lastStep = () => Math.max(...sides.map((side) => chosen(side).curve.length)) - 1;
  const step = () => Number(part("step").value);

  async function draw() {
    const [now, at] = [item, step()];
    const image = await imageOf(now.picture);
    for (const side of sides) {
      const method = chosen(side);
      const steps = await stepsOf(method);
      if (now !== item || at !== step() || method !== chosen(side)) return;
      const canvas = part(`canvas-${side}`);
      [canvas.width, canvas.height] = [now.width, now.height];
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, now.width, now.height);
      // The pixels that are gone come as a layer of their own, so no pixel is ever read back.
      const gone = new ImageData(now.width, now.height);
      steps.forEach((when, pixel) => {
        if (when < at) gone.data.set([...now.fill, 255], 4 * pixel);
      });
      const layer = new OffscreenCanvas(now.width, now.height);
      layer.getContext("2d").putImageData(gone, 0, 0);
      context.drawImage(layer, 0, 0);
      const score = method.curve[Math.min(at, method.curve.length - 1)];
      canvas.setAttribute("aria-label", `${now.target}, ${percent(at)} of the pixels removed by ${method.label}`);
      part(`name-${side}`).textContent = `${method.label}, AUC ${method.value.toFixed(3)}`;
      part(`score-${side}`).textContent = score.toFixed(3);
    }
    part("target").textContent = now.target;
    part("removed").textContent = `${percent(at)} removed`;
    part("step").setAttribute("aria-valuetext", `${percent(at)} of the pixels removed, probability ` +
      sides.map((side) => `${part(`score-${side}`).textContent} with ${chosen(side).label}`).join(", "));
    chart(at);
    box.dataset.drawn = `${at}`;
  }
  const percent = (at) => `${Math.round((100 * at) / lastStep())}\u2009%`;

  function chart(at) {
    const [left, top, width, height] = [30, 8, 282, 206];
    const x = (t, last) => (left + (width * t) / last).toFixed(1);
    const y = (p) => (top + height * (1 - p)).toFixed(1);
    const marks = [0, 0.5, 1].map((p) =>
      `<line class="grid" x1="${left}" x2="${left + width}" y1="${y(p)}" y2="${y(p)}"/>` +
      `<text x="${left - 6}" y="${y(p)}" dy="4" text-anchor="end">${p}</text>` +
      `<text x="${x(p, 1)}" y="${top + height + 16}" text-anchor="middle">${100 * p}%</text>`);
    const lines = sides.map((side) => {
      const { curve } = chosen(side);
      const last = curve.length - 1;
      const points = curve.map((p, t) => `${x(t, last)},${y(p)}`).join(" ");
      const shown = Math.min(at, last);
      return `<polyline class="curve ${side}" points="${points}"/>` +
        `<circle class="${side}" r="4" cx="${x(shown, last)}" cy="${y(curve[shown])}"/>`;
    });
    const here = x(at, lastStep());
    part("chart").innerHTML = marks.join("") +
      `<line class="now" x1="${here}" x2="${here}" y1="${top}" y2="${top + height}"/>` + lines.join("");
  }

  function option(value, label) {
    const element = document.createElement("option");
    [element.value, element.textContent] = [value, label];
    return element;
  }
  function offerMethods() {
    sides.forEach((side, place) => {
      const before = part(side).value;
      const names = item.methods.map((m) => m.name);
      const first = ["swag_g", "grad_cam"][place];
      part(side).replaceChildren(...item.methods.map((m) => option(m.name, m.label)));
      part(side).value = [before, first, names[Math.min(place, names.length - 1)]].find((n) => names.includes(n));
    });
    part("step").max = lastStep();
  }
  function offerImages(subject) {
    const same = items.filter((other) => other.subject === subject);
    item = same[0];
    box.querySelector(".thumbs").replaceChildren(...same.map((other, place) => {
      const [label, input, picture] = ["label", "input", "img"].map((tag) => document.createElement(tag));
      Object.assign(input, { type: "radio", name: "scrubber-image", checked: place === 0 });
      picture.src = `data:image/jpeg;base64,${pictures[other.picture]}`;
      picture.alt = `${other.target}, image ${other.image}`;
      input.addEventListener("change", () => { item = other; offerMethods(); update(); });
      label.append(input, picture);
      return label;
    }));
    offerMethods();
  }
  function update() {
    draw().catch((problem) => { part("problem").textContent = `The picture cannot be drawn: ${problem.message}`; });
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    part("play").textContent = "Play";
  }

  const subjects = [...new Set(items.map((other) => other.subject))];
  part("subject").replaceChildren(...subjects.map((subject) => option(subject, subject)));
  part("subject").addEventListener("change", () => { offerImages(part("subject").value); update(); });
  sides.forEach((side) => part(side).addEventListener("change", () => { part("step").max = lastStep(); update(); }));
  part("step").addEventListener("input", () => { stop(); update(); });
  part("play").addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (step() >= lastStep()) part("step").value = 0;
    part("play").textContent = "Pause";
    timer = setInterval(() => {
      part("step").value = step() + 1;
      update();
      if (step() >= lastStep()) stop();
    }, 160);
  });
  offerImages(subjects[0]);
  part("step").value = Math.round(lastStep() / 6);
  box.hidden = false;
  update();
})();
