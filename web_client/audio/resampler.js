/** Streaming windowed-sinc resampler, for browsers that refuse to run an audio context at the wire's rate. */

const ZERO_CROSSINGS = 16;
/** Fraction of the lower rate's band that passes; the rest is the filter's transition band. */
const PASSBAND = 0.94;

export class Resampler {
  #step; // input samples per output sample, as a fraction of #phases
  #phases;
  #half; // filter taps on either side
  #cutoff;
  /** @type {Map<number, Float64Array>} */
  #filters = new Map();
  #phase = 0;
  #pending;

  /**
   * Equal rates pass the samples through.
   * @param {number} from Hz, a whole number
   * @param {number} to Hz, a whole number
   */
  constructor(from, to) {
    const common = gcd(from, to);
    this.#step = from / common;
    this.#phases = to / common;
    this.#cutoff = PASSBAND * Math.min(1, to / from);
    this.#half = Math.ceil(ZERO_CROSSINGS / this.#cutoff);
    this.#pending = new Float32Array(this.#half - 1);
  }

  /**
   * Returns the output that `samples` complete; the last half filter waits for the samples that follow.
   * @param {Float32Array} samples
   */
  push(samples) {
    if (this.#step === this.#phases) return samples;
    const taps = 2 * this.#half;
    const input = new Float32Array(this.#pending.length + samples.length);
    input.set(this.#pending);
    input.set(samples, this.#pending.length);
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
    this.#pending = input.slice(at);
    return Float32Array.from(output);
  }

  /** Returns the rest of the output, at the end of the audio. */
  flush() {
    return this.push(new Float32Array(this.#step === this.#phases ? 0 : this.#half));
  }

  /** @param {number} phase */
  #filter(phase) {
    let filter = this.#filters.get(phase);
    if (!filter) {
      filter = this.#design(phase / this.#phases);
      this.#filters.set(phase, filter);
    }
    return filter;
  }

  /** @param {number} fraction of a sample */
  #design(fraction) {
    const taps = Float64Array.from({ length: 2 * this.#half }, (_, tap) => {
      const x = tap - (this.#half - 1) - fraction;
      return sinc(this.#cutoff * x) * blackman(x / this.#half);
    });
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return taps.map((tap) => tap / sum);
  }
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/**
 * The Blackman window over [-1, 1].
 * @param {number} x
 */
function blackman(x) {
  return Math.abs(x) >= 1 ? 0 : 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}
