"use strict";

// The browser of images: filters, a list, the means over what is found, and one image with its maps.
(function browser() {
  const holder = document.getElementById("browser-data");
  if (!holder) return;
  const { methods, metrics, subjects, pictures } = JSON.parse(holder.textContent);
  const box = document.querySelector(".browser");
  const parts = new Map([...box.querySelectorAll("[data-role]")].map((element) => [element.dataset.role, element]));
  const part = (role) => parts.get(role);
  const PER_PAGE = 12;
  const unpacked = new Map();
  let scores = null; // values() of what is chosen
  let found = [];
  let page = 0;
  let chosen = null;

  const make = (tag, text = "", attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  };
  const option = (value, label) => make("option", label, { value });
  const place = () => Number(part("subject").value);
  const subject = () => subjects[place()];
  const metric = () => metrics[Number(part("metric").value)];
  const side = (name) => Number(part(name).value);

  // Values of a subject by the metric: a row of floats for each image, a column for each method.
  function values() {
    const key = `${place()} ${metric().name}`;
    if (!unpacked.has(key)) {
      const raw = Uint8Array.from(atob(subject().values[metric().name]), (c) => c.charCodeAt(0));
      const view = new DataView(raw.buffer);
      unpacked.set(key, Float32Array.from({ length: raw.length / 4 }, (_, at) => view.getFloat32(4 * at, true)));
    }
    return unpacked.get(key);
  }
  const valueOf = (image, method) => scores[image * methods.length + method];
  const rowOf = (image) => scores.subarray(image * methods.length, (image + 1) * methods.length);
  const loss = (value) => (metric().higher ? -value : value);
  const known = (numbers) => [...numbers].filter((number) => !Number.isNaN(number));
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const deviation = (numbers) => {
    const middle = mean(numbers);
    return Math.sqrt(numbers.reduce((sum, number) => sum + (number - middle) ** 2, 0) / (numbers.length - 1));
  };

  function shown(value, signed = false) {
    if (Number.isNaN(value)) return "none";
    const { factor, decimals } = metric();
    const text = decimals === null ? (value * factor).toPrecision(3) : (value * factor).toFixed(decimals);
    return (signed && value > 0 ? "+" : "") + text.replace("-", "\u2212");
  }
  const className = (image) => subject().classes[subject().target[image]] ?? "";
  const pictureOf = (image) => pictures[`${place()}/${image}`];

  // Returns whether an image is asked for; what is asked is read once.
  function question() {
    const { images, classes, correct, class: labels, target } = subject();
    const text = part("search").value.trim().toLowerCase();
    const [wantedClass, wantedCorrect, pictured] = [part("class").value, part("correct").value, part("pictured").checked];
    return (image) => {
      const own = labels[image];
      const names = [images[image], className(image), classes[own] ?? ""];
      return (!text || names.some((name) => name.toLowerCase().includes(text)))
        && (wantedClass === "" || Number(wantedClass) === (own < 0 ? target[image] : own))
        && (wantedCorrect === "" || correct[image] === wantedCorrect)
        && (!pictured || pictureOf(image) !== undefined);
    };
  }
  const spread = (image) => {
    const numbers = known(rowOf(image));
    return numbers.length > 1 ? deviation(numbers) : -1;
  };
  const ORDERS = {
    best: (image) => loss(valueOf(image, side("a"))),
    worst: (image) => -loss(valueOf(image, side("a"))),
    ahead: (image) => loss(valueOf(image, side("a"))) - loss(valueOf(image, side("b"))),
    behind: (image) => loss(valueOf(image, side("b"))) - loss(valueOf(image, side("a"))),
    spread: (image) => -spread(image),
  };

  function find() {
    found = subject().images.map((_, image) => image).filter(question());
    const sort = part("sort").value;
    if (sort === "id") found.sort((a, b) => (subject().images[a] < subject().images[b] ? -1 : 1));
    if (sort in ORDERS) {
      const key = new Map(found.map((image) => [image, ORDERS[sort](image)]));
      const last = (number) => (Number.isNaN(number) ? Infinity : number);
      found.sort((a, b) => last(key.get(a)) - last(key.get(b)) || a - b);
    }
    page = 0;
    list();
    means();
    if (!found.includes(chosen)) choose(found.find((image) => pictureOf(image)) ?? found[0] ?? null);
  }

  function list() {
    const { images, total, correct } = subject();
    const rows = found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((image) => {
      const row = make("tr");
      const head = make("th", "", { scope: "row" });
      const button = make("button", images[image], { type: "button", "aria-pressed": image === chosen });
      const picture = pictureOf(image);
      if (picture?.image) button.prepend(make("img", "", { src: picture.image, alt: "", loading: "lazy" }));
      button.addEventListener("click", () => choose(image));
      button.dataset.image = image;
      head.append(button);
      const wrong = correct[image] === "0" ? " (predicted wrongly)" : "";
      const [a, b] = [valueOf(image, side("a")), valueOf(image, side("b"))];
      row.append(head, make("td", className(image) + wrong), make("td", shown(a)), make("td", shown(b)), make("td", shown(a - b, true)));
      return row;
    });
    part("images").replaceChildren(...rows);
    const cut = images.length < total ? `, the first of ${total.toLocaleString("en")} in the run's shuffled order` : "";
    part("count").textContent = `${found.length.toLocaleString("en")} of ${images.length.toLocaleString("en")} images${cut}.`;
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    part("page").textContent = `${page + 1} of ${pages}`;
    part("back").disabled = page === 0;
    part("next").disabled = page + 1 >= pages;
    ["a", "b"].forEach((name) => { part(`head-${name}`).textContent = `${name.toUpperCase()}: ${methods[side(name)].label}`; });
  }

  function means() {
    const firsts = methods.map(() => 0);
    let judged = 0;
    for (const image of found) {
      const losses = [...rowOf(image)].map(loss);
      const best = Math.min(...known(losses));
      if (!Number.isFinite(best)) continue;
      judged += 1;
      losses.forEach((value, at) => { if (value === best) firsts[at] += 1; });
    }
    const rows = methods.flatMap(({ label }, at) => {
      const numbers = known(found.map((image) => valueOf(image, at)));
      if (!numbers.length) return [];
      const [middle, half] = [mean(numbers), (1.96 * deviation(numbers)) / Math.sqrt(numbers.length)];
      const interval = numbers.length > 1 ? `${shown(middle - half)}\u2009\u2013\u2009${shown(middle + half)}` : "none";
      return [{ label, middle, cells: [shown(middle), interval, `${Math.round((100 * firsts[at]) / judged)}\u2009%`, `${numbers.length}`] }];
    });
    rows.sort((one, other) => loss(one.middle) - loss(other.middle));
    part("means").replaceChildren(...rows.map(({ label, cells }) => {
      const row = make("tr");
      row.append(make("th", label, { scope: "row" }), ...cells.map((text) => make("td", text)));
      return row;
    }));
  }

  function choose(image) {
    chosen = image;
    box.querySelectorAll("[data-image]").forEach((button) => {
      button.setAttribute("aria-pressed", Number(button.dataset.image) === image);
    });
    const detail = part("detail");
    detail.replaceChildren();
    if (image === null) { detail.append(make("p", "No image is found: widen the search.")); return; }
    detail.append(make("h3", `${subject().images[image]}, explained: ${className(image)}`));
    const picture = pictureOf(image);
    const order = methods.map((_, at) => at).filter((at) => !Number.isNaN(valueOf(image, at)) || picture?.tiles[methods[at].name])
      .sort((one, other) => (loss(valueOf(image, one)) - loss(valueOf(image, other))) || one - other);
    const tiles = make("div", "", { class: "tiles" });
    if (picture?.image) tiles.append(tile(picture.image, "The image", "", `Image ${subject().images[image]}`));
    order.forEach((at) => {
      const { name, label } = methods[at];
      tiles.append(tile(picture?.tiles[name], label, shown(valueOf(image, at)), `Saliency of ${label}`));
    });
    detail.append(tiles, make("p", `${metric().label}${metric().unit ? ` (${metric().unit})` : ""}, ${metric().higher ? "higher" : "lower"} is better; best first.`
      + (picture ? "" : " The page has no pictures of this image: swagflow report RUN --images N keeps more."), { class: "caption" }));
    const curves = picture?.curves[metric().name];
    if (curves) detail.append(chart(curves));
  }
  function tile(source, label, value, alt) {
    const figure = make("figure");
    if (source) figure.append(make("img", "", { src: source, alt, loading: "lazy" }));
    const caption = make("figcaption", label);
    caption.append(make("b", value));
    figure.append(caption);
    return figure;
  }

  // All curves of the image in grey; those of methods A and B in their colours.
  function chart(curves) {
    const [left, top, width, height] = [34, 8, 560, 190];
    const svg = (tag, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
      return element;
    };
    const all = Object.values(curves).flat();
    const [low, high] = [Math.min(0, ...all), Math.max(1e-9, ...all)];
    const y = (value) => top + (height * (high - value)) / (high - low);
    const drawing = svg("svg", { viewBox: "0 0 600 230", role: "img", "aria-label": `${metric().curve_y} of each method` });
    [low, (low + high) / 2, high].forEach((value) => {
      drawing.append(svg("line", { class: "grid", x1: left, x2: left + width, y1: y(value), y2: y(value) }));
      const text = svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" });
      text.textContent = value.toFixed(2);
      drawing.append(text);
    });
    const [a, b] = ["a", "b"].map((name) => methods[side(name)].name);
    Object.entries(curves).sort(([one], [other]) => [a, b].includes(one) - [a, b].includes(other)).forEach(([name, curve]) => {
      const points = curve.map((value, at) => `${(left + (width * at) / (curve.length - 1)).toFixed(1)},${y(value).toFixed(1)}`);
      const look = { [a]: "a", [b]: "b" }[name] ?? "other";
      drawing.append(svg("polyline", { class: `curve ${look}`, points: points.join(" ") }));
    });
    const figure = make("figure", "", { class: "chart" });
    const caption = make("figcaption", `${metric().curve_y} against: ${metric().curve_x.toLowerCase()}. `);
    [a, b].forEach((name, at) => {
      if (!curves[name]) return;
      caption.append(make("span", "", { class: `swatch ${"ab"[at]}` }), ` ${methods[side("ab"[at])].label} `);
    });
    caption.append(" Grey: all others.");
    figure.append(drawing, caption);
    return figure;
  }

  // What a subject and a metric offer: their classes, and the methods that have a value.
  function offer() {
    scores = values();
    const { classes } = subject();
    const names = classes.map((name, at) => [name, at]).sort(([one], [other]) => (one < other ? -1 : 1));
    part("class").replaceChildren(option("", "any"), ...names.map(([name, at]) => option(at, name)));
    const there = methods.map((_, at) => at).filter((at) => subject().images.some((_name, image) => !Number.isNaN(valueOf(image, at))));
    const usual = { a: "swag_g", b: "grad_cam" };
    ["a", "b"].forEach((name, number) => {
      const before = part(name).value === "" ? -1 : side(name);
      const preferred = methods.findIndex((method) => method.name === usual[name]);
      part(name).replaceChildren(...there.map((at) => option(at, methods[at].label)));
      part(name).value = [before, preferred, there[number], there[0]].find((at) => there.includes(at));
    });
  }

  part("subject").replaceChildren(...subjects.map(({ label }, at) => option(at, label)));
  part("metric").replaceChildren(...metrics.map(({ label }, at) => option(at, label)));
  box.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  part("subject").addEventListener("change", () => { chosen = null; offer(); find(); });
  part("metric").addEventListener("change", () => { offer(); find(); choose(chosen); });
  ["class", "correct", "sort", "pictured"].forEach((role) => part(role).addEventListener("change", find));
  ["a", "b"].forEach((role) => part(role).addEventListener("change", () => { find(); choose(chosen); }));
  part("search").addEventListener("input", find);
  part("back").addEventListener("click", () => { page -= 1; list(); });
  part("next").addEventListener("click", () => { page += 1; list(); });
  // Arrow keys go from image to image.
  part("images").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...part("images").querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (next) { next.focus(); next.click(); }
  });
  offer();
  find();
  box.hidden = false;
})();
