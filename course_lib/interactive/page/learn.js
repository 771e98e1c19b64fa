// Treinos pequenos, no plano, que acontecem enquanto se olha: redes densas, retropropagação e Adam.
function cursoLearn(scope) {
  "use strict";

  const ACTIVATIONS = {
    relu: [(a) => (a > 0 ? a : 0), (a) => (a > 0 ? 1 : 0)],
    silu: [
      (a) => a / (1 + Math.exp(-a)),
      (a) => {
        const s = 1 / (1 + Math.exp(-a));
        return s * (1 + a * (1 - s));
      },
    ],
  };

  // C = A B, em que A é (rows, inner) e B é (inner, columns), ou as suas transpostas, pelo kernel do executor.
  class Products {
    constructor(wasm) {
      this.memory = scope.cursoMemory(wasm);
    }

    multiply(a, b, rows, inner, columns, { aTurned = false, bTurned = false } = {}) {
      const stripes = Math.ceil(columns / 8);
      const padded = Math.ceil(rows / 4) * 4;
      const [pa, pb] = [0, padded * inner];
      const pc = pb + stripes * 8 * inner;
      const F = this.memory.atLeast(pc + padded * stripes * 8);
      for (let r = 0; r < padded; r++) {
        const panel = pa + (r - (r % 4)) * inner + (r % 4);
        for (let k = 0; k < inner; k++) F[panel + 4 * k] = r >= rows ? 0 : aTurned ? a[k * rows + r] : a[r * inner + k];
      }
      for (let k = 0; k < inner; k++) {
        for (let j = 0; j < columns; j++) {
          F[pb + ((j >> 3) * inner + k) * 8 + (j & 7)] = bTurned ? b[j * inner + k] : b[k * columns + j];
        }
      }
      this.memory.gemm(pa * 4, pb * 4, pc * 4, padded, inner, stripes, stripes * 32);
      const c = new Float32Array(rows * columns);
      for (let r = 0; r < rows; r++) c.set(F.subarray(pc + r * stripes * 8, pc + r * stripes * 8 + columns), r * columns);
      return c;
    }
  }

  // Camadas densas com uma ativação entre cada duas, como course_lib.models.layers.mlp; os pesos começam como os do
  // nn.Linear, uniformes até 1/√n.
  class MLP {
    constructor(sizes, draw, products, activation = "relu") {
      [this.f, this.slope] = ACTIVATIONS[activation];
      this.products = products;
      this.layers = sizes.slice(1).map((n_out, k) => {
        const n_in = sizes[k];
        const bound = 1 / Math.sqrt(n_in);
        const uniform = (n) => Float32Array.from({ length: n }, () => bound * (2 * draw.uniform() - 1));
        const [weight, bias] = [uniform(n_out * n_in), uniform(n_out)];
        return { n_in, n_out, weight, bias, slopes: [new Float32Array(weight.length), new Float32Array(n_out)] };
      });
    }

    // x (B, n_in) → (B, n_out); guarda o que a volta precisa.
    forward(x, rows) {
      this.rows = rows;
      this.inputs = [x];
      this.sums = [];
      this.layers.forEach(({ n_in, n_out, weight, bias }, k) => {
        const sums = this.products.multiply(this.inputs[k], weight, rows, n_in, n_out, { bTurned: true });
        for (let b = 0, i = 0; b < rows; b++) for (let o = 0; o < n_out; o++, i++) sums[i] += bias[o];
        this.sums.push(sums);
        this.inputs.push(k + 1 < this.layers.length ? sums.map(this.f) : sums);
      });
      return this.inputs[this.layers.length];
    }

    // Gradiente da saída → gradiente da entrada; acumula o dos pesos, se `learn`.
    backward(gradient, learn = true) {
      const { rows } = this;
      for (let k = this.layers.length - 1; k >= 0; k--) {
        const { n_in, n_out, weight, slopes } = this.layers[k];
        if (k + 1 < this.layers.length) {
          const sums = this.sums[k];
          gradient = gradient.map((g, i) => g * this.slope(sums[i]));
        }
        if (learn) {
          const own = this.products.multiply(gradient, this.inputs[k], n_out, rows, n_in, { aTurned: true });
          for (let i = 0; i < own.length; i++) slopes[0][i] += own[i];
          for (let b = 0, i = 0; b < rows; b++) for (let o = 0; o < n_out; o++, i++) slopes[1][o] += gradient[i];
        }
        gradient = this.products.multiply(gradient, weight, rows, n_out, n_in);
      }
      return gradient;
    }
  }

  class Adam {
    constructor(network, { beta1 = 0.9, beta2 = 0.999 } = {}) {
      Object.assign(this, { network, beta1, beta2, t: 0 });
      this.moved = network.layers.flatMap(({ weight, bias, slopes }) =>
        [weight, bias].map((values, k) => [values, slopes[k], new Float32Array(values.length), new Float32Array(values.length)]),
      );
    }

    step(rate) {
      const { beta1, beta2 } = this;
      this.t++;
      const [first, second] = [1 - beta1 ** this.t, 1 - beta2 ** this.t];
      for (const [values, slopes, m, v] of this.moved) {
        for (let i = 0; i < values.length; i++) {
          m[i] = beta1 * m[i] + (1 - beta1) * slopes[i];
          v[i] = beta2 * v[i] + (1 - beta2) * slopes[i] * slopes[i];
          values[i] -= (rate * (m[i] / first)) / (Math.sqrt(v[i] / second) + 1e-8);
        }
        slopes.fill(0);
      }
    }
  }

  // Oito nuvens num anel, como course_lib.data.toy.
  const ring = ({ radius, std }, draw, n) => {
    const x = new Float32Array(2 * n);
    for (let i = 0; i < n; i++) {
      const angle = (2 * Math.PI * Math.floor(8 * draw.uniform())) / 8;
      x[2 * i] = radius * Math.cos(angle) + std * draw.normal();
      x[2 * i + 1] = radius * Math.sin(angle) + std * draw.normal();
    }
    return x;
  };

  const sigmoid = (a) => 1 / (1 + Math.exp(-a));

  // O jogo do capítulo 04: perda não saturante, um passo de cada rede por vez. `pack` pontos são julgados juntos.
  class RingGAN {
    constructor({ seed, data, latent = 16, hidden = 32, batch = 64, pack = 1, genRate, discRate }, wasm) {
      const products = new Products(wasm);
      this.draw = cursoRandom(seed);
      Object.assign(this, { data, latent, batch, pack, genRate, discRate, steps: 0 });
      this.gen = new MLP([latent, hidden, hidden, 2], this.draw, products);
      this.disc = new MLP([2 * pack, hidden, hidden, 1], this.draw, products);
      this.optimizers = [this.gen, this.disc].map((network) => new Adam(network, { beta1: 0.5 }));
      this.watched = cursoRandom(seed + 1).normals(latent * 400);
    }

    train(steps) {
      const { batch, pack } = this;
      const groups = batch / pack;
      for (let k = 0; k < steps; k++) {
        const z = this.draw.normals(batch * this.latent);
        const fake = this.gen.forward(z, batch);
        const both = new Float32Array(4 * batch);
        both.set(ring(this.data, this.draw, batch));
        both.set(fake, 2 * batch);
        const logits = this.disc.forward(both, 2 * groups);
        // Média de softplus(-a) nas reais e de softplus(a) nas falsas.
        this.disc.backward(logits.map((a, i) => (i < groups ? sigmoid(a) - 1 : sigmoid(a)) / groups));
        this.optimizers[1].step(this.discRate);
        const judged = this.disc.forward(fake, groups);
        const toFake = this.disc.backward(judged.map((a) => (sigmoid(a) - 1) / groups), false);
        this.gen.backward(toFake);
        this.optimizers[0].step(this.genRate);
      }
      this.steps += steps;
      return { steps: this.steps, points: this.gen.forward(this.watched, 400), ...this.modes() };
    }

    // Quantas nuvens têm amostras, e que fração das amostras está em alguma.
    modes() {
      const points = this.gen.forward(this.watched, 400);
      const counts = new Array(8).fill(0);
      for (let i = 0; i < 400; i++) {
        for (let j = 0; j < 8; j++) {
          const angle = (2 * Math.PI * j) / 8;
          const [dx, dy] = [points[2 * i] - this.data.radius * Math.cos(angle), points[2 * i + 1] - this.data.radius * Math.sin(angle)];
          if (Math.hypot(dx, dy) < this.data.near) counts[j]++;
        }
      }
      return { covered: counts.filter((n) => n >= 4).length, on: counts.reduce((a, b) => a + b) / 400 };
    }

    // A probabilidade de real numa grade n × n.
    field(n, span) {
      const grid = new Float32Array(n * n * 2 * this.pack);
      for (let i = 0; i < n * n; i++) {
        const [x, y] = [(((i % n) + 0.5) / n - 0.5) * 2 * span, (0.5 - (Math.floor(i / n) + 0.5) / n) * 2 * span];
        for (let p = 0; p < this.pack; p++) {
          grid[2 * (i * this.pack + p)] = x;
          grid[2 * (i * this.pack + p) + 1] = y;
        }
      }
      return this.disc.forward(grid, n * n).map(sigmoid);
    }
  }

  // A velocidade média do capítulo 08, aprendida: u(x, t) de (x_t, x_1 - x_0).
  class RingFlow {
    constructor({ seed, data, hidden = 64, batch = 256, rate = 5e-3, total }, wasm) {
      this.draw = cursoRandom(seed);
      Object.assign(this, { data, batch, rate, total, steps: 0, loss: NaN });
      this.net = new MLP([3, hidden, hidden, hidden, 2], this.draw, new Products(wasm), "silu");
      this.optimizer = new Adam(this.net);
    }

    train(steps) {
      const { batch } = this;
      for (let k = 0; k < steps; k++) {
        const x1 = ring(this.data, this.draw, batch);
        const input = new Float32Array(3 * batch);
        const target = new Float32Array(2 * batch);
        for (let i = 0; i < batch; i++) {
          const t = this.draw.uniform();
          for (let d = 0; d < 2; d++) {
            const x0 = this.draw.normal();
            input[3 * i + d] = (1 - t) * x0 + t * x1[2 * i + d];
            target[2 * i + d] = x1[2 * i + d] - x0;
          }
          input[3 * i + 2] = t;
        }
        const out = this.net.forward(input, batch);
        let loss = 0;
        const gradient = out.map((u, i) => {
          loss += (u - target[i]) ** 2 / (2 * batch);
          return (u - target[i]) / batch;
        });
        this.net.backward(gradient);
        this.steps++;
        // A taxa sobe no começo e cai até o fim, como a do capítulo.
        const part = Math.min(1, this.steps / this.total);
        this.optimizer.step(this.rate * Math.min(1, 10 * part) * (0.5 + 0.5 * Math.cos(Math.PI * part)) + 1e-4);
        this.loss = Number.isNaN(this.loss) ? loss : 0.98 * this.loss + 0.02 * loss;
      }
      return { steps: this.steps, loss: this.loss };
    }

    // (B, 2) levados de t = 0 a 1 em `steps` passos do ponto médio; devolve todos os instantes.
    flow(points, steps) {
      const n = points.length / 2;
      const frames = [Float32Array.from(points)];
      for (let k = 0; k < steps; k++) {
        const x = frames[k];
        const half = this.velocity(x, n, k / steps);
        const middle = x.map((v, i) => v + half[i] / (2 * steps));
        const full = this.velocity(middle, n, (k + 0.5) / steps);
        frames.push(x.map((v, i) => v + full[i] / steps));
      }
      return frames;
    }

    velocity(x, n, t) {
      const input = new Float32Array(3 * n);
      for (let i = 0; i < n; i++) input.set([x[2 * i], x[2 * i + 1], t], 3 * i);
      return this.net.forward(input, n);
    }
  }

  scope.cursoKinds = {
    ...scope.cursoKinds,
    ringGAN: (options, wasm) => new RingGAN(options, wasm),
    ringFlow: (options, wasm) => new RingFlow(options, wasm),
  };
}
