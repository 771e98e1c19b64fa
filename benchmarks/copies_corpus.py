"""Respostas honestas ao exercício 09, cada questão escrita de vários jeitos, e o que mais um caderno costuma ter.

É de onde ``python -m benchmarks.copies`` tira a turma: cada estudante honesto escolhe um jeito de cada questão.
"""

VARIANTS = {
    "pick_pair": [
        """
def pick_pair(images, labels, digit_a, digit_b):
    def typical(group):
        return group[(group - group.mean(0)).flatten(1).norm(dim=1).argmin()]
    return torch.stack([typical(images[labels == digit]) for digit in (digit_a, digit_b)])
""",
        """
def pick_pair(images, labels, digit_a, digit_b):
    chosen = []
    for digit in [digit_a, digit_b]:
        mask = labels == digit
        subset = images[mask]
        centre = subset.mean(dim=0, keepdim=True)
        distance = ((subset - centre) ** 2).sum(dim=(1, 2, 3))
        best = torch.argmin(distance)
        chosen.append(subset[best])
    return torch.stack(chosen)
""",
        """
def pick_pair(images, labels, digit_a, digit_b):
    x = images.reshape(len(images), -1)
    answer = torch.empty(2, *images.shape[1:])
    for row, wanted in enumerate((digit_a, digit_b)):
        positions = torch.nonzero(labels == wanted).squeeze(1)
        d = torch.cdist(x[positions], x[positions].mean(0)[None])[:, 0]
        answer[row] = images[positions[d.argmin()]]
    return answer
""",
        """
def closest_to_mean(batch):
    mean = sum(batch) / len(batch)
    smallest, winner = float("inf"), None
    for image in batch:
        gap = float(torch.linalg.norm(image - mean))
        if gap < smallest:
            smallest, winner = gap, image
    return winner

def pick_pair(images, labels, digit_a, digit_b):
    first = closest_to_mean(images[labels == digit_a])
    second = closest_to_mean(images[labels == digit_b])
    return torch.cat([first[None], second[None]])
""",
        """
def pick_pair(images, labels, digit_a, digit_b):
    a, b = images[labels == digit_a], images[labels == digit_b]
    err_a = (a - a.mean(0)).pow(2).flatten(start_dim=1).sum(1)
    err_b = (b - b.mean(0)).pow(2).flatten(start_dim=1).sum(1)
    _, order_a = err_a.sort()
    _, order_b = err_b.sort()
    return torch.stack((a[order_a[0]], b[order_b[0]]), dim=0)
""",
        """
def pick_pair(images, labels, digit_a, digit_b):
    data, classes = images.numpy(), labels.numpy()
    out = []
    for c in (digit_a, digit_b):
        idx = np.where(classes == c)[0]
        mu = data[idx].mean(axis=0)
        dist = [np.sum((data[i] - mu) ** 2) for i in idx]
        out.append(data[idx[int(np.argmin(dist))]])
    return torch.from_numpy(np.array(out))
""",
    ],
    "latent_code": [
        """
def latent_code(model, x):
    with torch.no_grad():
        code = model.encode(x)
    return code[0] if isinstance(code, tuple) else code
""",
        """
@torch.no_grad()
def latent_code(model, x):
    out = model.encode(x)
    if type(out) is tuple:
        mu, logvar = out
        return mu
    return out
""",
        """
def latent_code(model, x):
    result = model.encode(x)
    try:
        mu, _ = result
    except ValueError:
        mu = result
    return mu.detach().clone()
""",
        """
def latent_code(model, x):
    was = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    parts = model.encode(x)
    torch.set_grad_enabled(was)
    if hasattr(parts, "shape"):
        return parts
    return parts[0]
""",
    ],
    "interpolate": [
        """
def interpolate(z_a, z_b, n):
    return torch.stack([z_a + t * (z_b - z_a) for t in torch.linspace(0, 1, n)])
""",
        """
def interpolate(z_a, z_b, n):
    t = torch.linspace(0, 1, n).unsqueeze(1)
    return (1 - t) * z_a + t * z_b
""",
        """
def interpolate(z_a, z_b, n):
    weights = torch.arange(n, dtype=z_a.dtype) / (n - 1)
    return torch.lerp(z_a[None, :], z_b[None, :], weights[:, None])
""",
        """
def interpolate(z_a, z_b, n):
    codes = torch.zeros(n, z_a.shape[0])
    step = (z_b - z_a) / (n - 1)
    current = z_a.clone()
    for k in range(n):
        codes[k] = current
        current = current + step
    return codes
""",
        """
def interpolate(z_a, z_b, n):
    t = torch.linspace(0, 1, n)
    return z_a + torch.outer(t, z_b - z_a)
""",
    ],
    "latent_path": [
        """
def latent_path(model, x, n):
    with torch.no_grad():
        z = latent_code(model, x)
        return model.decode(interpolate(z[0], z[1], n))
""",
        """
def latent_path(model, x, n):
    start = latent_code(model, x[:1]).squeeze(0)
    end = latent_code(model, x[1:]).squeeze(0)
    line = interpolate(start, end, n)
    frames = model.decode(line)
    return frames.detach()
""",
        """
@torch.no_grad()
def latent_path(model, x, n):
    codes = latent_code(model, x)
    frames = [model.decode(code.unsqueeze(0)) for code in interpolate(*codes, n)]
    return torch.cat(frames, dim=0)
""",
        """
def latent_path(model, x, n):
    z_a, z_b = latent_code(model, x)
    images = []
    for t in np.linspace(0, 1, n):
        mixed = (1 - t) * z_a + t * z_b
        with torch.no_grad():
            images.append(model.decode(mixed.float()[None])[0])
    return torch.stack(images)
""",
    ],
    "even_times": [
        """
def even_times(frames):
    jumps = (frames[1:] - frames[:-1]).flatten(1).norm(dim=1)
    travelled, t = np.append(0, jumps.cumsum(0)), np.linspace(0, 1, len(frames))
    return np.interp(t * travelled[-1], travelled, t)
""",
        """
def even_times(frames):
    n = len(frames)
    lengths = [0.0]
    for k in range(1, n):
        difference = frames[k] - frames[k - 1]
        lengths.append(lengths[-1] + float(difference.pow(2).sum().sqrt()))
    total = lengths[-1]
    grid = [k / (n - 1) for k in range(n)]
    times = []
    for fraction in grid:
        target = fraction * total
        j = 0
        while j < n - 2 and lengths[j + 1] < target:
            j += 1
        inside = (target - lengths[j]) / (lengths[j + 1] - lengths[j])
        times.append(grid[j] + inside / (n - 1))
    return torch.tensor(times)
""",
        """
def even_times(frames):
    flat = frames.reshape(frames.shape[0], -1).numpy()
    d = np.sqrt(np.square(np.diff(flat, axis=0)).sum(axis=1))
    s = np.concatenate(([0.0], np.cumsum(d)))
    s = s / s.max()
    old = np.linspace(0.0, 1.0, s.size)
    return torch.as_tensor(np.interp(old, s, old))
""",
        """
def even_times(frames):
    x = frames.flatten(1).double()
    arc = torch.cat([torch.zeros(1), torch.linalg.vector_norm(x.diff(dim=0), dim=1).cumsum(0)])
    wanted = torch.linspace(0, float(arc[-1]), len(x))
    right = torch.searchsorted(arc, wanted).clamp(1, len(x) - 1)
    left = right - 1
    share = (wanted - arc[left]) / (arc[right] - arc[left])
    return (left + share) / (len(x) - 1)
""",
        """
def even_times(frames):
    from scipy.interpolate import interp1d
    sizes = torch.stack([(b - a).norm() for a, b in zip(frames, frames[1:])])
    position = torch.nn.functional.pad(sizes.cumsum(dim=0), (1, 0)).numpy()
    t = np.arange(len(frames)) / (len(frames) - 1)
    inverse = interp1d(position, t)
    return inverse(np.linspace(0, position[-1], len(frames)))
""",
    ],
    "distance_to_real": [
        """
def distance_to_real(frames, images):
    def rows(x):
        x = x.flatten(1)
        return torch.nn.functional.normalize(x - x.mean(1, keepdim=True))
    return 1 - (rows(frames) @ rows(images).T).amax(1)
""",
        """
def distance_to_real(frames, images):
    a = frames.flatten(1)
    b = images.flatten(1)
    a = a - a.mean(dim=1, keepdim=True)
    b = b - b.mean(dim=1, keepdim=True)
    a = a / a.norm(dim=1, keepdim=True)
    b = b / b.norm(dim=1, keepdim=True)
    correlation = torch.matmul(a, b.t())
    return (1 - correlation).min(dim=1).values
""",
        """
def distance_to_real(frames, images):
    f, r = frames.reshape(len(frames), -1).numpy(), images.reshape(len(images), -1).numpy()
    table = np.corrcoef(np.vstack([f, r]))
    block = table[: len(f), len(f):]
    return torch.from_numpy(1.0 - block.max(axis=1))
""",
        """
def distance_to_real(frames, images):
    answer = []
    for frame in frames:
        best = -2.0
        p = frame.flatten() - frame.mean()
        for image in images:
            q = image.flatten() - image.mean()
            rho = torch.dot(p, q) / torch.sqrt((p * p).sum() * (q * q).sum())
            best = max(best, rho.item())
        answer.append(1 - best)
    return torch.tensor(answer)
""",
        """
def distance_to_real(frames, images):
    standard = lambda x: (x - x.mean(1, True)) / x.std(1, unbiased=False, keepdim=True)
    u, v = standard(frames.flatten(1)), standard(images.flatten(1))
    rho = torch.einsum("id,jd->ij", u, v) / u.shape[1]
    return 1 - rho.max(1)[0]
""",
    ],
    "own_kind_share": [
        """
def own_kind_share(codes, prior, k):
    n, m = len(codes), len(prior)
    both, kind = torch.cat([codes, prior]), torch.arange(n + m) < n
    near = torch.cdist(both, both).argsort(dim=1)[:, 1:k + 1]
    same = (kind[near] == kind[:, None]).float().mean()
    return same, (n * (n - 1) + m * (m - 1)) / ((n + m) * (n + m - 1))
""",
        """
def own_kind_share(codes, prior, k):
    points = torch.vstack((codes, prior))
    labels = torch.cat((torch.zeros(len(codes)), torch.ones(len(prior))))
    distances = torch.cdist(points, points)
    distances.fill_diagonal_(float("inf"))
    _, neighbours = distances.topk(k, largest=False)
    hits = labels[neighbours].eq(labels.unsqueeze(1))
    share = hits.sum().item() / hits.numel()
    a, b = codes.shape[0], prior.shape[0]
    total = a + b
    chance = a / total * (a - 1) / (total - 1) + b / total * (b - 1) / (total - 1)
    return share, chance
""",
        """
def own_kind_share(codes, prior, k):
    everything = np.concatenate([codes.numpy(), prior.numpy()])
    group = [0] * len(codes) + [1] * len(prior)
    count = 0
    for i, point in enumerate(everything):
        gaps = [(float(((point - other) ** 2).sum()), j) for j, other in enumerate(everything) if j != i]
        for _, j in sorted(gaps)[:k]:
            count += group[i] == group[j]
    n, m = len(codes), len(prior)
    pairs_same = n * (n - 1) / 2 + m * (m - 1) / 2
    pairs = (n + m) * (n + m - 1) / 2
    return count / (k * (n + m)), pairs_same / pairs
""",
        """
def own_kind_share(codes, prior, k):
    from sklearn.neighbors import NearestNeighbors
    x = np.r_[codes.numpy(), prior.numpy()]
    y = np.r_[np.ones(len(codes)), np.zeros(len(prior))]
    index = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x, return_distance=False)[:, 1:]
    share = (y[index] == y[:, None]).mean()
    p = y.mean()
    size = len(y)
    expected = (p * (p * size - 1) + (1 - p) * ((1 - p) * size - 1)) / (size - 1)
    return share, expected
""",
    ],
}

# O mesmo dito de outro jeito, por gosto: cada honesto tem os seus.
SYNONYMS = [
    (r"\.flatten\(1\)", [".flatten(start_dim=1)", ".reshape(len(images), -1)", ".view(-1, 784)"]),
    (r"\btorch\.linspace\(0, 1, n\)", ["torch.linspace(0.0, 1.0, steps=n)", "torch.arange(n) / (n - 1)"]),
    (r"\bnp\.linspace\(0, 1, n\)", ["np.arange(n) / (n - 1)", "[i / (n - 1) for i in range(n)]"]),
    (r"\blen\(frames\)", ["frames.shape[0]", "frames.size(0)"]),
    (r"\blen\(codes\), len\(prior\)", ["codes.shape[0], prior.shape[0]", "codes.size(0), prior.size(0)"]),
    (r"\.norm\(dim=1\)", [".pow(2).sum(1).sqrt()", ".square().sum(dim=1) ** 0.5"]),
    (r"\bmean\(0\)", ["mean(dim=0)", "mean(axis=0)"]),
    (r"\[None\]", [".unsqueeze(0)", "[None, ...]"]),
    (r"keepdim=True", ["keepdims=True"]),
    (r"dim=1", ["axis=1", "dim=-1"]),
    (r"torch\.stack\(chosen\)", ["torch.stack(chosen, dim=0)", "torch.cat([item[None] for item in chosen])"]),
    (r"float\(\"inf\"\)", ["math.inf", "1e9", "np.inf"]),
    (r"argmin\(\)", ["argmin(dim=0)", "sort()[1][0]"]),
    (r"1 - (\(?\w)", [r"1.0 - \1", r"-1 * \1"]),
]

EXPLORATIONS = [
    "x = images[:@]\nviz.image_grid(x, title='alguns dígitos')",
    "for digit in range(10):\n    print(digit, (labels == digit).sum().item())",
    "z = torch.randn(@, 32)\nplt.hist(z.flatten().numpy(), bins=@)\nplt.show()",
    "print(images.shape, images.min().item(), images.max().item())\nassert len(images) > @",
    "history = []\nfor n in (2, @):\n    path = interpolate(pair[0], pair[1], n)\n    history.append(path)",
    "frames = latent_path(vae, pair, @)\nviz.image_grid(frames, columns=@)",
    "means = torch.stack([images[labels == d].mean(0) for d in range(10)])\nviz.image_grid(means)",
    "fig, ax = plt.subplots(figsize=(@, 4))\nax.plot(distances.numpy())\nax.set_xlabel('quadro')",
    "def show(batch, title=''):\n    viz.image_grid(batch.clamp(-1, 1), title=title)\n    return None\n\nshow(pair)",
    "for net in (ae, vae):\n    print(distance_to_real(latent_path(net, pair, @), images).mean())",
    "perm = torch.randperm(len(images))[:@]\nsmall, small_labels = images[perm], labels[perm]",
    "norms = latent_code(vae, images[:@]).norm(dim=1)\nprint(norms.mean(), norms.std())",
    "covariance = torch.cov(latent_code(ae, images[:500]).T)\nprint(torch.linalg.eigvalsh(covariance)[-@:])",
    "table = [[d, float(images[labels == d].mean())] for d in range(10)]\nfor row in table:\n    print(*row)",
    "from collections import Counter\ncounts = Counter(labels.tolist())\nprint(counts.most_common(@))",
    "t = even_times(frames)\nplt.plot(np.linspace(0, 1, len(t)), t)\nplt.title('tempo corrigido')",
]
