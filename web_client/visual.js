// Two arcs that face each other, one for each voice: whoever speaks makes their own one sound.

/** Loudness travels along an arc, from its middle to its ends, in so many steps of so long. */
const HISTORY = 40;
const STEP_MS = 26;
/** Points between two steps, so that the outline is smooth. */
const FINE = 3;
/** Half the angle of an arc, in radians; the gaps above and below keep the two apart. */
const HALF_ARC = Math.PI / 2 - 0.2;
/** Loudness below this is the room. */
const ROOM = 0.004;

const SIDES = [
  { name: "you", middle: Math.PI },
  { name: "agent", middle: 0 },
];

export class Visual {
  #canvas;
  #context;
  #levels;
  #floor = "idle";
  #histories = { you: new Float32Array(HISTORY), agent: new Float32Array(HISTORY) };
  #presence = { you: 0.5, agent: 0.5 };
  #colors = {};
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #loud = { you: 0, agent: 0 };
  #stepped = 0;
  #between = 0; // part of the next step that has gone by
  #frame = null;

  /** @param {HTMLCanvasElement} canvas @param {() => {you: number, agent: number}} levels */
  constructor(canvas, levels) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#levels = levels;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#fit());
    this.#still.addEventListener("change", () => this.#wake());
    this.#fit();
  }

  /** Who has the floor: "idle", or as in `Session`. */
  set floor(floor) {
    if (floor === this.#floor) return;
    this.#floor = floor;
    this.#wake();
  }

  #wake() {
    this.#frame ??= requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    this.#frame = null;
    const moved = this.#advance(now);
    this.#draw(now);
    if (moved && !document.hidden) this.#wake();
    else if (document.hidden) document.addEventListener("visibilitychange", () => this.#wake(), { once: true });
  }

  /** Returns whether there is more to move. */
  #advance(now) {
    const settle = this.#still.matches ? 1 : 0.09;
    let settled = true;
    for (const { name } of SIDES) {
      const wanted = { idle: 0.55, listening: 0.6 }[this.#floor] ?? (this.#floor === name ? 1 : 0.32);
      const away = wanted - this.#presence[name];
      settled &&= Math.abs(away) < 0.01;
      this.#presence[name] += away * settle;
    }
    if (this.#still.matches) return false;
    const steps = Math.min(Math.floor((now - this.#stepped) / STEP_MS), HISTORY);
    this.#stepped = steps === HISTORY ? now : this.#stepped + steps * STEP_MS;
    this.#between = (now - this.#stepped) / STEP_MS;
    const levels = this.#levels();
    let quiet = true;
    for (const { name } of SIDES) {
      const history = this.#histories[name];
      const loud = Math.min(1, Math.sqrt(Math.max(0, levels[name] - ROOM) * 4));
      for (let step = 0; step < steps; step++) {
        // Smoothed twice: round shapes, quick to rise and slow to fall.
        this.#loud[name] += (loud - this.#loud[name]) * (loud > this.#loud[name] ? 0.5 : 0.25);
        const newest = history[0] + (this.#loud[name] - history[0]) * 0.4;
        history.copyWithin(1, 0);
        history[0] = newest;
      }
      quiet &&= history.every((level) => level < 0.01);
    }
    return this.#floor !== "idle" || !quiet || !settled;
  }

  #fit() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.#context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const style = getComputedStyle(this.#canvas);
    for (const { name } of SIDES) this.#colors[name] = style.getPropertyValue(`--${name}`);
    this.#wake();
  }

  #draw(now) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const context = this.#context;
    context.clearRect(0, 0, width, height);
    context.lineCap = context.lineJoin = "round";
    const size = Math.min(width, height);
    for (const side of SIDES) {
      context.save();
      context.translate(width / 2, height / 2);
      context.rotate(side.middle);
      context.strokeStyle = context.fillStyle = this.#colors[side.name];
      this.#drawSide(side.name, size, now);
      context.restore();
    }
  }

  /** One arc, on the right of the middle; the canvas is turned for the other. */
  #drawSide(name, size, now) {
    const context = this.#context;
    const presence = this.#presence[name];
    const radius = size * 0.33;
    const reach = size * 0.155;
    const breath = this.#breath(name, now);
    // The farther out, the fainter; and a little inwards.
    for (const [spread, alpha] of [[1, 0.16], [0.66, 0.26], [0.34, 0.55], [-0.22, 0.3]]) {
      context.globalAlpha = alpha * presence;
      context.beginPath();
      this.#edge(name, radius, reach * spread, breath);
      for (const [x, y] of arc(radius).reverse()) context.lineTo(x, y);
      context.fill();
    }
    context.globalAlpha = 0.35 + 0.65 * presence;
    context.lineWidth = size * (this.#still.matches ? 0.008 + 0.016 * presence ** 3 : 0.011);
    context.beginPath();
    for (const [x, y] of arc(radius)) context.lineTo(x, y);
    context.stroke();
  }

  #edge(name, radius, reach, breath) {
    const fine = (HISTORY - 2) * FINE;
    for (let at = -fine; at <= fine; at++) {
      const along = Math.abs(at) / fine;
      const swell = (this.#loudness(name, Math.abs(at) / FINE) + breath) * Math.cos((along * Math.PI) / 2);
      const [x, y] = point(radius + reach * swell, (at / fine) * HALF_ARC);
      this.#context.lineTo(x, y);
    }
  }

  /** So many steps ago, which may be a fraction. */
  #loudness(name, ago) {
    const at = Math.max(0, ago - this.#between);
    const history = this.#histories[name];
    const whole = Math.floor(at);
    return history[whole] + (history[whole + 1] - history[whole]) * (at - whole);
  }

  /** While it thinks, the agent's arc breathes. */
  #breath(name, now) {
    if (name !== "agent" || this.#floor !== "thinking" || this.#still.matches) return 0;
    return 0.16 + 0.12 * Math.sin(now / 260);
  }
}

function arc(radius) {
  return Array.from({ length: 65 }, (_, at) => point(radius, (at / 32 - 1) * HALF_ARC));
}

function point(radius, angle) {
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
