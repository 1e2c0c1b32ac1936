/** Two facing arcs, one for each voice, that swell with its level. */

/** Steps in which a level travels along an arc, from its middle to its ends. */
const HISTORY = 40;
/** Duration of a step. */
const STEP_MS = 26;
/** Points between two steps, for a smooth outline. */
const FINE = 3;
/** Half the angle of an arc, in radians; gaps at the top and the bottom keep the two apart. */
const HALF_ARC = Math.PI / 2 - 0.2;
/** Levels below this are room noise. */
const ROOM = 0.004;

/** @typedef {"user" | "agent"} Side */
/** @typedef {"idle" | import("../call/session.js").Floor} Floor */

/** @type {{name: Side, middle: number}[]} */
const SIDES = [
  { name: "user", middle: Math.PI },
  { name: "agent", middle: 0 },
];

export class LevelRing {
  #canvas;
  #context;
  #levels;
  /** @type {Floor} */
  #floor = "idle";
  #histories = { user: new Float32Array(HISTORY), agent: new Float32Array(HISTORY) };
  #presence = { user: 0.5, agent: 0.5 };
  #colors = { user: "", agent: "" };
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #smoothed = { user: 0, agent: 0 };
  #steppedAt = 0;
  #between = 0; // elapsed fraction of the next step
  /** @type {number | null} */
  #frame = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => Record<Side, number>} levels 0 to 1
   */
  constructor(canvas, levels) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#levels = levels;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#fit());
    this.#still.addEventListener("change", () => this.#wake());
    this.#fit();
  }

  set floor(/** @type {Floor} */ floor) {
    if (floor === this.#floor) return;
    this.#floor = floor;
    this.#wake();
  }

  #wake() {
    this.#frame ??= requestAnimationFrame((now) => this.#tick(now));
  }

  /** @param {number} now */
  #tick(now) {
    this.#frame = null;
    const moved = this.#advance(now);
    this.#draw(now);
    if (moved && !document.hidden) this.#wake();
    else if (document.hidden) document.addEventListener("visibilitychange", () => this.#wake(), { once: true });
  }

  /**
   * Returns whether anything is still moving.
   * @param {number} now
   */
  #advance(now) {
    const settle = this.#still.matches ? 1 : 0.09;
    let settled = true;
    for (const { name } of SIDES) {
      const distance = presence(name, this.#floor) - this.#presence[name];
      settled &&= Math.abs(distance) < 0.01;
      this.#presence[name] += distance * settle;
    }
    if (this.#still.matches) return false;
    const steps = Math.min(Math.floor((now - this.#steppedAt) / STEP_MS), HISTORY);
    this.#steppedAt = steps === HISTORY ? now : this.#steppedAt + steps * STEP_MS;
    this.#between = (now - this.#steppedAt) / STEP_MS;
    const levels = this.#levels();
    let quiet = true;
    for (const { name } of SIDES) {
      const history = this.#histories[name];
      const level = Math.min(1, Math.sqrt(Math.max(0, levels[name] - ROOM) * 4));
      for (let step = 0; step < steps; step++) {
        // Smoothed twice, for round shapes that rise quickly and fall slowly.
        this.#smoothed[name] += (level - this.#smoothed[name]) * (level > this.#smoothed[name] ? 0.5 : 0.25);
        const newest = history[0] + (this.#smoothed[name] - history[0]) * 0.4;
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

  /** @param {number} now */
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

  /**
   * Draw one arc, on the right of the centre; the canvas is rotated for the other.
   * @param {Side} name
   * @param {number} size
   * @param {number} now
   */
  #drawSide(name, size, now) {
    const context = this.#context;
    const presence = this.#presence[name];
    const radius = size * 0.33;
    const reach = size * 0.155;
    const breath = this.#breath(name, now);
    // Fainter further out, and a little inwards.
    for (const [spread, alpha] of [
      [1, 0.16],
      [0.66, 0.26],
      [0.34, 0.55],
      [-0.22, 0.3],
    ]) {
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

  /**
   * @param {Side} name
   * @param {number} radius
   * @param {number} reach
   * @param {number} breath
   */
  #edge(name, radius, reach, breath) {
    const fine = (HISTORY - 2) * FINE;
    for (let at = -fine; at <= fine; at++) {
      const along = Math.abs(at) / fine;
      const swell = (this.#levelAt(name, Math.abs(at) / FINE) + breath) * Math.cos((along * Math.PI) / 2);
      const [x, y] = point(radius + reach * swell, (at / fine) * HALF_ARC);
      this.#context.lineTo(x, y);
    }
  }

  /**
   * Level a number of steps ago, which may be a fraction.
   * @param {Side} name
   * @param {number} ago
   */
  #levelAt(name, ago) {
    const at = Math.max(0, ago - this.#between);
    const history = this.#histories[name];
    const whole = Math.floor(at);
    return history[whole] + (history[whole + 1] - history[whole]) * (at - whole);
  }

  /**
   * The agent's arc breathes while it thinks.
   * @param {Side} name
   * @param {number} now
   */
  #breath(name, now) {
    if (name !== "agent" || this.#floor !== "thinking" || this.#still.matches) return 0;
    return 0.16 + 0.12 * Math.sin(now / 260);
  }
}

/**
 * How prominent an arc should be, 0 to 1.
 * @param {Side} name
 * @param {Floor} floor
 */
function presence(name, floor) {
  if (floor === "idle") return 0.55;
  if (floor === "listening") return 0.6;
  return floor === name ? 1 : 0.32;
}

/** @param {number} radius */
function arc(radius) {
  return Array.from({ length: 65 }, (_, at) => point(radius, (at / 32 - 1) * HALF_ARC));
}

/**
 * @param {number} radius
 * @param {number} angle
 */
function point(radius, angle) {
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
