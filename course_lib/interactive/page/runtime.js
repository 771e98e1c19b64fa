// Executa os blocos de course_lib.interactive.export: uma rede, com os seus pesos, dentro da página.
//
// Tudo está numa função porque o seu texto também é o programa do Worker. As formas são fixas, então cada resultado tem
// o seu lugar na memória desde o começo, e executar não aloca nada. Os produtos de matrizes, em que está quase todo o
// tempo, são do kernel em WebAssembly (page/kernel.wat) ou, sem ele, do mesmo algoritmo aqui.
function cursoRuntime(scope) {
  "use strict";

  const VERSION = 2;

  const toBytes = (base64) => {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  };

  const crc32 = (bytes) => {
    const table = new Int32Array(256);
    for (let n = 0; n < 256; n++) {
      let c = n;
      for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
      table[n] = c;
    }
    let crc = -1;
    for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]) & 255];
    return ~crc >>> 0;
  };

  const inflate = async (bytes) => {
    if (typeof DecompressionStream === "undefined") throw new Error("este navegador é antigo demais: atualize-o");
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  const half = (bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024);
    return bits & 0x8000 ? -size : size;
  };

  const count = (shape) => shape.reduce((product, n) => product * n, 1);
  const stripesOf = (columns) => Math.ceil(columns / 8);

  // Os números de uma constante, já em float32.
  const decode = ([kind, shape, at, axis], bytes) => {
    const n = count(shape);
    const size = { float32: 4, float16: 2, int8: 1 }[kind];
    if (at + n * size > bytes.length) throw new Error("os pesos estão incompletos");
    if (kind === "float32") return new Float32Array(bytes.buffer, at, n);
    const out = new Float32Array(n);
    if (kind === "float16") {
      const bits = new Uint16Array(bytes.buffer, at, n);
      for (let i = 0; i < n; i++) out[i] = half(bits[i]);
      return out;
    }
    const levels = new Int8Array(bytes.buffer, at, n);
    const channels = shape[axis];
    const scale = new Float32Array(bytes.buffer, at + Math.ceil(n / 4) * 4, channels);
    const inner = count(shape.slice(axis + 1));
    for (let i = 0; i < n; i++) out[i] = levels[i] * scale[Math.floor(i / inner) % channels];
    return out;
  };

  // O mesmo produto que page/kernel.wat faz, com a mesma disposição.
  const plainGemm = (memory) => (a, b, c, rows, inner, stripes, row) => {
    const F = memory.floats;
    [a, b, c, row] = [a >> 2, b >> 2, c >> 2, row >> 2];
    for (let s = 0; s < stripes; s++, b += inner * 8) {
      let pa = a;
      let pc = c + s * 8;
      let m = rows;
      for (; m >= 4; m -= 4, pa += inner * 4, pc += row * 4) {
        for (let j = 0; j < 8; j += 2) {
          let [c00, c01, c10, c11, c20, c21, c30, c31] = [0, 0, 0, 0, 0, 0, 0, 0];
          for (let k = 0, x = pa, y = b + j; k < inner; k++, x += 4, y += 8) {
            const b0 = F[y];
            const b1 = F[y + 1];
            c00 += F[x] * b0;
            c01 += F[x] * b1;
            c10 += F[x + 1] * b0;
            c11 += F[x + 1] * b1;
            c20 += F[x + 2] * b0;
            c21 += F[x + 2] * b1;
            c30 += F[x + 3] * b0;
            c31 += F[x + 3] * b1;
          }
          const at = pc + j;
          [F[at], F[at + 1], F[at + row], F[at + row + 1]] = [c00, c01, c10, c11];
          [F[at + 2 * row], F[at + 2 * row + 1], F[at + 3 * row], F[at + 3 * row + 1]] = [c20, c21, c30, c31];
        }
      }
      for (; m > 0; m--, pa += inner, pc += row) {
        for (let j = 0; j < 8; j++) {
          let sum = 0;
          for (let k = 0, y = b + j; k < inner; k++, y += 8) sum += F[pa + k] * F[y];
          F[pc + j] = sum;
        }
      }
    }
  };

  // A memória de um programa: primeiro se reserva tudo, e depois se cria de uma vez.
  class Memory {
    constructor() {
      this.length = 0;
      this.floats = null;
    }

    take(n) {
      const at = this.length;
      this.length += Math.ceil(n / 4) * 4;
      return at;
    }

    create(wasm) {
      this.gemm = plainGemm(this);
      if (wasm) {
        try {
          const memory = new WebAssembly.Memory({ initial: Math.ceil((this.length * 4) / 65536) + 1 });
          const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), { page: { memory } });
          this.floats = new Float32Array(memory.buffer);
          this.gemm = instance.exports.gemm;
          return;
        } catch {
          // Um navegador sem SIMD, ou uma política que proíbe o WebAssembly: segue com o JavaScript.
        }
      }
      this.floats = new Float32Array(this.length);
    }

    // A memória, maior se preciso.
    atLeast(n) {
      if (n > this.floats.length) {
        this.length = 2 * n;
        this.create(this.wasm);
      }
      return this.floats;
    }
  }

  scope.cursoMemory = (wasm) => {
    const memory = new Memory();
    memory.wasm = wasm;
    memory.create(wasm);
    return memory;
  };

  // Cada operação: o que reserva e prepara, e devolve a função que a executa. `p.at(ref)` é o lugar de um valor ou de uma
  // constante na memória; `p.later(f)` adia o que precisa dela já criada.
  const OPS = {
    // y (rows, columns) = x (rows, inner) W (inner, columns) + b
    dense(p, out, x, w, b, rows, inner, columns) {
      const stripes = stripesOf(columns);
      const y = p.put(out, rows * columns);
      const packed = p.memory.take(inner * stripes * 8);
      const scratch = p.memory.take(rows * stripes * 8);
      const panels = rows >= 4 ? p.memory.take(rows * inner) : null;
      const weight = p.constant(w);
      p.later((F) => {
        for (let k = 0; k < inner; k++) {
          for (let j = 0; j < columns; j++) F[packed + ((j >> 3) * inner + k) * 8 + (j & 7)] = weight[k * columns + j];
        }
      });
      const [source, bias] = [p.at(x), p.at(b)];
      return (F) => {
        let a = source;
        if (panels !== null) {
          packRows(F, source, panels, rows, inner);
          a = panels;
        }
        p.memory.gemm(a * 4, packed * 4, scratch * 4, rows, inner, stripes, stripes * 32);
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            F[y + i * columns + j] = F[scratch + i * stripes * 8 + j] + (bias === null ? 0 : F[bias + j]);
          }
        }
      };
    },

    conv(p, out, x, w, b, from, to, [kh, kw], stride, padding, transposed) {
      const [n, n_in, height, width] = from;
      const [, n_out, h_out, w_out] = to;
      const y = p.put(out, count(to));
      const weight = p.constant(w);
      const taps = kh * kw;
      // A transposta multiplica antes e espalha depois; a comum junta antes e multiplica depois.
      const rows = transposed ? n_out * taps : n_out;
      const inner = transposed ? n_in : n_in * taps;
      const places = transposed ? height * width : h_out * w_out;
      const stripes = stripesOf(places);
      const panels = p.memory.take(rows * inner);
      const columns = p.memory.take(inner * stripes * 8);
      const scratch = p.memory.take(rows * stripes * 8);
      p.later((F) => {
        const flat = transposed ? transpose(weight, n_in, n_out * taps) : weight;
        packRows(F, flat, panels, rows, inner);
      });
      const [source, bias] = [p.at(x), p.at(b)];
      const gather = transposed
        ? (F, at) => packColumns(F, at, columns, inner, places)
        : (F, at) => unfold(F, at, columns, from, to, kh, kw, stride, padding);
      return (F) => {
        for (let i = 0; i < n; i++) {
          const target = y + i * n_out * h_out * w_out;
          gather(F, source + i * n_in * height * width);
          p.memory.gemm(panels * 4, columns * 4, scratch * 4, rows, inner, stripes, stripes * 32);
          if (transposed) fold(F, scratch, target, bias, from, to, kh, kw, stride, padding);
          else copyRows(F, scratch, target, bias, n_out, places);
        }
      };
    },

    map(p, out, x, name, n, a, b) {
      const [source, y, f] = [p.at(x), p.put(out, n), MAPS[name]];
      return (F) => f(F, source, y, n, a, b);
    },

    // Duas entradas que se propagam à forma comum; um passo zero repete.
    pair(p, out, left, right, name, shape, leftSteps, rightSteps) {
      const n = count(shape);
      const y = p.put(out, n);
      const f = PAIRS[name];
      const [a, b] = [p.at(left), p.at(right)];
      const [ia, ib] = [spread(shape, leftSteps), spread(shape, rightSteps)];
      return (F) => f(F, a, b, y, n, ia, ib);
    },

    // Escala e desloca cada canal.
    channels(p, out, x, scale, shift, n, channels, places) {
      const y = p.put(out, n * channels * places);
      const [source, s, t] = [p.at(x), p.at(scale), p.at(shift)];
      return (F) => {
        for (let c = 0, i = 0; c < n * channels; c++) {
          const [a, b] = [F[s + (c % channels)], F[t + (c % channels)]];
          for (const end = i + places; i < end; i++) F[y + i] = F[source + i] * a + b;
        }
      };
    },

    // Laços encaixados sobre a origem; o de dentro segue uma tabela.
    move(p, out, x, sizes, steps, table) {
      const index = nest(sizes, steps, table);
      const y = p.put(out, index.length);
      const source = p.at(x);
      return (F) => {
        for (let i = 0; i < index.length; i++) F[y + i] = F[source + index[i]];
      };
    },

    concat(p, out, parts, outer, sizes) {
      const total = sizes.reduce((sum, n) => sum + n, 0);
      const y = p.put(out, outer * total);
      const sources = parts.map((part) => p.at(part));
      return (F) => {
        for (let o = 0, to = y; o < outer; o++) {
          for (let k = 0; k < sources.length; to += sizes[k], k++) {
            const from = sources[k] + o * sizes[k];
            F.copyWithin(to, from, from + sizes[k]);
          }
        }
      };
    },

    reduce(p, out, x, name, outer, n, inner) {
      const [source, y, divisor] = [p.at(x), p.put(out, outer * inner), name === "mean" ? n : 1];
      return (F) => {
        for (let o = 0; o < outer; o++) {
          for (let i = 0; i < inner; i++) {
            let sum = 0;
            for (let k = 0; k < n; k++) sum += F[source + (o * n + k) * inner + i];
            F[y + o * inner + i] = sum / divisor;
          }
        }
      };
    },

    // Média zero e desvio um em cada grupo de canais, e depois a escala e o deslocamento de cada canal.
    norm(p, out, x, w, b, n, channels, places, groups, epsilon) {
      const y = p.put(out, n * channels * places);
      const [source, weight, bias] = [p.at(x), p.at(w), p.at(b)];
      const size = (channels / groups) * places;
      return (F) => {
        for (let g = 0; g < n * groups; g++) {
          const at = source + g * size;
          let sum = 0;
          for (let i = 0; i < size; i++) sum += F[at + i];
          const mean = sum / size;
          let squares = 0;
          for (let i = 0; i < size; i++) squares += (F[at + i] - mean) ** 2;
          const scale = 1 / Math.sqrt(squares / size + epsilon);
          for (let i = 0; i < size; i++) {
            const c = ((g % groups) * channels) / groups + Math.floor(i / places);
            const a = weight === null ? scale : scale * F[weight + c];
            F[y + g * size + i] = (F[at + i] - mean) * a + (bias === null ? 0 : F[bias + c]);
          }
        }
      };
    },

    attention(p, out, q, k, v, batch, queries, keys, width, scale) {
      const y = p.put(out, batch * queries * width);
      const [sq, sk, sv] = [p.at(q), p.at(k), p.at(v)];
      const row = new Float64Array(keys);
      return (F) => {
        for (let i = 0; i < batch * queries; i++) {
          const other = Math.floor(i / queries) * keys * width;
          let largest = -Infinity;
          for (let j = 0; j < keys; j++) {
            let dot = 0;
            for (let d = 0; d < width; d++) dot += F[sq + i * width + d] * F[sk + other + j * width + d];
            row[j] = dot * scale;
            largest = Math.max(largest, row[j]);
          }
          let total = 0;
          for (let j = 0; j < keys; j++) total += row[j] = Math.exp(row[j] - largest);
          for (let d = 0; d < width; d++) {
            let sum = 0;
            for (let j = 0; j < keys; j++) sum += row[j] * F[sv + other + j * width + d];
            F[y + i * width + d] = sum / total;
          }
        }
      };
    },

    // Cada ponto é a média dos quatro vizinhos mais próximos, pela distância ao centro deles.
    bilinear(p, out, x, [n, channels, height, width], [, , h_out, w_out]) {
      const y = p.put(out, n * channels * h_out * w_out);
      const source = p.at(x);
      const axis = (size, target) =>
        Array.from({ length: target }, (_, i) => {
          const place = Math.max(0, ((i + 0.5) * size) / target - 0.5);
          const low = Math.min(Math.floor(place), size - 1);
          return [low, Math.min(low + 1, size - 1), place - low];
        });
      const [rows, columns] = [axis(height, h_out), axis(width, w_out)];
      return (F) => {
        for (let c = 0, i = y; c < n * channels; c++) {
          const at = source + c * height * width;
          for (const [top, bottom, v] of rows) {
            for (const [left, right, u] of columns) {
              const above = F[at + top * width + left] * (1 - u) + F[at + top * width + right] * u;
              const below = F[at + bottom * width + left] * (1 - u) + F[at + bottom * width + right] * u;
              F[i++] = above * (1 - v) + below * v;
            }
          }
        }
      };
    },

    maxpool(p, out, x, [n, channels, height, width], size) {
      const [h_out, w_out] = [Math.floor(height / size), Math.floor(width / size)];
      const y = p.put(out, n * channels * h_out * w_out);
      const source = p.at(x);
      return (F) => {
        for (let c = 0, i = y; c < n * channels; c++) {
          for (let r = 0; r < h_out; r++) {
            for (let s = 0; s < w_out; s++) {
              let largest = -Infinity;
              for (let k = 0; k < size * size; k++) {
                const at = (c * height + r * size + Math.floor(k / size)) * width + s * size + (k % size);
                largest = Math.max(largest, F[source + at]);
              }
              F[i++] = largest;
            }
          }
        }
      };
    },

    rows(p, out, table, index, n, width) {
      const y = p.put(out, n * width);
      const [source, which] = [p.at(table), p.at(index)];
      return (F) => {
        for (let i = 0; i < n; i++) {
          const from = source + F[which + i] * width;
          F.copyWithin(y + i * width, from, from + width);
        }
      };
    },
  };

  const each = (f) => (F, x, y, n, a, b) => {
    for (let i = 0; i < n; i++) F[y + i] = f(F[x + i], a, b);
  };
  const sigmoid = (v) => 1 / (1 + Math.exp(-v));
  const MAPS = {
    abs: each(Math.abs),
    affine: each((v, a, b) => v * a + b),
    clamp: each((v, low, high) => Math.min(Math.max(v, low), high)),
    cos: each(Math.cos),
    exp: each(Math.exp),
    floor: each(Math.floor),
    leaky: each((v, slope) => (v > 0 ? v : v * slope)),
    log: each(Math.log),
    neg: each((v) => -v),
    relu: each((v) => (v > 0 ? v : 0)),
    rsqrt: each((v) => 1 / Math.sqrt(v)),
    sigmoid: each(sigmoid),
    silu: each((v) => v * sigmoid(v)),
    sin: each(Math.sin),
    sqrt: each(Math.sqrt),
    square: each((v) => v * v),
    tanh: each(Math.tanh),
  };

  const both = (f) => (F, a, b, y, n, ia, ib) => {
    for (let i = 0; i < n; i++) F[y + i] = f(F[a + (ia ? ia[i] : i)], F[b + (ib ? ib[i] : i)]);
  };
  const PAIRS = {
    add: both((u, v) => u + v),
    sub: both((u, v) => u - v),
    mul: both((u, v) => u * v),
    div: both((u, v) => u / v),
  };

  // De onde vem cada elemento de laços encaixados.
  const nest = (sizes, steps, table) => {
    let index = Int32Array.from(table);
    for (let level = sizes.length - 1; level >= 0; level--) {
      const inner = index;
      index = new Int32Array(sizes[level] * inner.length);
      for (let i = 0; i < sizes[level]; i++) {
        for (let k = 0; k < inner.length; k++) index[i * inner.length + k] = inner[k] + i * steps[level];
      }
    }
    return index;
  };

  const spread = (shape, steps) => {
    const index = nest(shape, steps, [0]);
    return index.every((from, i) => from === i) ? null : index;
  };

  // (rows, inner) em painéis de quatro linhas; `source` é um vetor, ou um lugar em F.
  const packRows = (F, source, target, rows, inner) => {
    const [from, base] = typeof source === "number" ? [F, source] : [source, 0];
    const whole = rows - (rows % 4);
    for (let r = 0; r < rows; r++) {
      const panel = r < whole ? target + (r - (r % 4)) * inner + (r % 4) : target + r * inner;
      const step = r < whole ? 4 : 1;
      for (let k = 0; k < inner; k++) F[panel + k * step] = from[base + r * inner + k];
    }
  };

  // (inner, places) em faixas de oito colunas; o que sobra na última fica como está, e ninguém o lê.
  const packColumns = (F, source, target, inner, places) => {
    for (let k = 0; k < inner; k++) {
      const from = source + k * places;
      for (let q = 0; q < places; q++) F[target + ((q >> 3) * inner + k) * 8 + (q & 7)] = F[from + q];
    }
  };

  // O que cada posição da saída vê da entrada: (n_in · kh · kw, h_out · w_out) em faixas de oito colunas.
  const unfold = (F, source, target, [, n_in, height, width], [, , h_out, w_out], kh, kw, stride, padding) => {
    const inner = n_in * kh * kw;
    for (let c = 0, k = 0; c < n_in; c++) {
      for (let dy = 0; dy < kh; dy++) {
        for (let dx = 0; dx < kw; dx++, k++) {
          for (let oy = 0, q = 0; oy < h_out; oy++) {
            const iy = oy * stride + dy - padding;
            const row = source + (c * height + iy) * width;
            const inside = iy >= 0 && iy < height;
            for (let ox = 0, ix = dx - padding; ox < w_out; ox++, ix += stride, q++) {
              F[target + ((q >> 3) * inner + k) * 8 + (q & 7)] = inside && ix >= 0 && ix < width ? F[row + ix] : 0;
            }
          }
        }
      }
    }
  };

  const copyRows = (F, scratch, target, bias, rows, places) => {
    const row = stripesOf(places) * 8;
    for (let r = 0; r < rows; r++) {
      const extra = bias === null ? 0 : F[bias + r];
      for (let q = 0; q < places; q++) F[target + r * places + q] = F[scratch + r * row + q] + extra;
    }
  };

  // O contrário de unfold: cada posição da entrada soma na saída o que lhe toca.
  const fold = (F, scratch, target, bias, [, , height, width], [, n_out, h_out, w_out], kh, kw, stride, padding) => {
    const row = stripesOf(height * width) * 8;
    for (let c = 0; c < n_out; c++) {
      F.fill(bias === null ? 0 : F[bias + c], target + c * h_out * w_out, target + (c + 1) * h_out * w_out);
      for (let tap = 0; tap < kh * kw; tap++) {
        const [dy, dx] = [Math.floor(tap / kw) - padding, (tap % kw) - padding];
        const from = scratch + (c * kh * kw + tap) * row;
        for (let iy = 0; iy < height; iy++) {
          const oy = iy * stride + dy;
          if (oy < 0 || oy >= h_out) continue;
          for (let ix = 0; ix < width; ix++) {
            const ox = ix * stride + dx;
            if (ox >= 0 && ox < w_out) F[target + (c * h_out + oy) * w_out + ox] += F[from + iy * width + ix];
          }
        }
      }
    }
  };

  const transpose = (matrix, rows, columns) => {
    const out = new Float32Array(matrix.length);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c];
    return out;
  };

  class Program {
    // O programa de um bloco, quando os pesos dele estiverem descomprimidos.
    static async load(block, wasm) {
      if (block.version !== VERSION) throw new Error(`este bloco é da versão ${block.version}, e a página, da ${VERSION}`);
      const compressed = toBytes(block.data);
      const bytes = await inflate(compressed).catch((error) => {
        throw error instanceof TypeError ? new Error("os pesos chegaram corrompidos") : error;
      });
      if (crc32(bytes) !== block.crc32) throw new Error("os pesos chegaram corrompidos");
      return new Program(block, bytes, wasm);
    }

    constructor(block, bytes, wasm) {
      this.constants = block.constants.map((constant) => decode(constant, bytes));
      this.memory = new Memory();
      this.places = new Map();
      this.pending = [];
      this.inputs = block.inputs.map(([name, value, shape]) => ({ name, n: count(shape), at: this.put(value, count(shape)) }));
      this.steps = block.steps.map(([kind, ...rest]) => {
        if (!OPS[kind]) throw new Error(`a página não conhece a operação ${kind}`);
        return OPS[kind](this, ...rest);
      });
      this.outputs = block.outputs.map(([name, place, shape]) => ({ name, n: count(shape), at: this.at(place) }));
      this.memory.create(wasm);
      for (const write of this.pending) write(this.memory.floats);
      this.pending = this.constants = null;
    }

    // Durante a construção: o lugar novo de um valor, o de um já feito, os números de uma constante, e o que fica para
    // quando houver memória.
    put(value, n) {
      const at = this.memory.take(n);
      this.places.set(value, at);
      return at;
    }

    at(reference) {
      if (reference === null) return null;
      if (!this.places.has(reference)) {
        const numbers = this.constant(reference);
        const at = this.put(reference, numbers.length);
        this.later((F) => F.set(numbers, at));
      }
      return this.places.get(reference);
    }

    constant(reference) {
      return this.constants[-1 - reference];
    }

    later(write) {
      this.pending.push(write);
    }

    // { nome: números } de todas as entradas → { nome: Float32Array } de todas as saídas.
    run(given) {
      const F = this.memory.floats;
      for (const { name, n, at } of this.inputs) {
        if (!given[name] || given[name].length !== n) throw new Error(`a entrada ${name} precisa de ${n} números`);
        F.set(given[name], at);
      }
      for (const step of this.steps) step(F);
      const out = {};
      for (const { name, n, at } of this.outputs) {
        out[name] = F.slice(at, at + n);
        if (!out[name].every(Number.isFinite)) throw new Error("a rede deu um número que não é finito");
      }
      return out;
    }
  }

  scope.cursoKinds = { ...scope.cursoKinds, program: (block, wasm) => Program.load(block, wasm) };
  return { Program, toBytes };
}
