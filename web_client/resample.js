// Streaming resampling by a windowed sinc, for browsers that won't run an audio context at the wire's rate.

const ZERO_CROSSINGS = 16;
/** Fraction of the lower rate's band that is kept; the rest is room for the filter's slope. */
const PASSBAND = 0.94;

export class Resampler {
  #step; // input samples per output sample, as a fraction
  #phases;
  #half; // filter taps on either side
  #cutoff;
  #filters = new Map();
  #phase = 0;
  #waiting;

  /** From `from` Hz to `to` Hz, both whole numbers. Equal rates pass the samples through. */
  constructor(from, to) {
    const common = gcd(from, to);
    this.#step = from / common;
    this.#phases = to / common;
    this.#cutoff = PASSBAND * Math.min(1, to / from);
    this.#half = Math.ceil(ZERO_CROSSINGS / this.#cutoff);
    this.#waiting = new Float32Array(this.#half - 1);
  }

  /** The output that `samples` complete; the last half filter waits for what follows. */
  push(samples) {
    if (this.#step === this.#phases) return samples;
    const taps = 2 * this.#half;
    const input = new Float32Array(this.#waiting.length + samples.length);
    input.set(this.#waiting);
    input.set(samples, this.#waiting.length);
    const output = [];
    let at = 0;
    while (at + taps <= input.length) {
      const filter = this.#filter(this.#phase);
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += input[at + tap] * filter[tap];
      output.push(sum);
      const next = this.#phase + this.#step;
      at += Math.floor(next / this.#phases);
      this.#phase = next % this.#phases;
    }
    this.#waiting = input.slice(at);
    return Float32Array.from(output);
  }

  /** What is left, at the end of the sound. */
  flush() {
    return this.push(new Float32Array(this.#step === this.#phases ? 0 : this.#half));
  }

  #filter(phase) {
    let filter = this.#filters.get(phase);
    if (!filter) {
      filter = this.#design(phase / this.#phases);
      this.#filters.set(phase, filter);
    }
    return filter;
  }

  #design(fraction) {
    const taps = Float64Array.from({ length: 2 * this.#half }, (_, tap) => {
      const x = tap - (this.#half - 1) - fraction;
      return sinc(this.#cutoff * x) * blackman(x / this.#half);
    });
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return taps.map((tap) => tap / sum);
  }
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The window over [-1, 1]. */
function blackman(x) {
  return Math.abs(x) >= 1 ? 0 : 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}
