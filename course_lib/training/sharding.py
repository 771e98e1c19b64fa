r"""Um lote repartido entre processos, com o resultado que um processo só teria.

Cada processo recebe o mesmo lote, de N exemplos, e fica com uma fatia de n deles. Quatro coisas fazem a conta ser a
mesma, e nenhuma delas precisa que o passo ou as redes saibam disto:

- **o gradiente.** A perda de cada fatia é a média dela, e a do lote é :math:`\sum_r (n_r/N)\,L_r`. Cada processo
  retropropaga :math:`(n_r/N)\,L_r`, e os gradientes se somam entre eles antes que o otimizador ande.
- **o acaso.** Um sorteio que tem um valor por exemplo é feito do tamanho do lote inteiro, em todos os processos, que
  têm a mesma semente; cada um fica com a sua fatia. Os outros sorteios já são iguais em todos.
- **a normalização por lote.** A média e a variância são as do lote inteiro.
- **o que mais olha o lote inteiro** (:func:`~course_lib.models.layers.whole_batch`) recebe-o inteiro.

A soma dos gradientes é a que o ``DistributedDataParallel`` faz, mas não por ele: ele só vê o que passa pelo ``forward``
da rede que embrulha, uma vez por retropropagação, e divide por processo. Aqui os objetivos chamam ``encode`` e
``decode_logits``, a R1 deriva duas vezes, um passo move duas redes, e a última fatia de uma época pode ser menor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from course_lib.contracts import Step, Terms
from course_lib.models.layers import WHOLE_BATCH
from course_lib.training import distributed
from course_lib.training.distributed import World
from course_lib.training.means import term_names

# Gradientes somados de uma vez, em números: poucas mensagens grandes custam menos que muitas pequenas.
BUCKET = 4_000_000

SIZED_DRAWS = {torch.randn, torch.rand, torch.randint}
LIKE_DRAWS = {torch.randn_like, torch.rand_like, torch.randint_like}
IN_PLACE_DRAWS = {Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_, Tensor.exponential_, Tensor.random_}
# Sorteios que ninguém aqui usa: melhor recusá-los que deixar cada processo sortear o seu.
UNKNOWN_DRAWS = {torch.bernoulli, torch.multinomial, torch.normal, torch.poisson, F.dropout, torch.dropout}


class Share(NamedTuple):
    """A fatia de um processo: os exemplos de ``start`` a ``stop`` de um lote de ``total``.

    Attributes:
        start: o primeiro.
        stop: o primeiro que já não é dele.
        total: exemplos do lote inteiro.
        weight: quanto a média desta fatia pesa na do lote.
    """

    start: int
    stop: int
    total: int
    weight: float

    @property
    def length(self) -> int:
        """Quantos exemplos tem a fatia."""
        return self.stop - self.start

    @property
    def is_whole(self) -> bool:
        """Se a fatia é o lote inteiro."""
        return self.length == self.total


def share(total: int, rank: int, count: int) -> Share:
    """A fatia do processo ``rank``, entre ``count``, de um lote de ``total`` exemplos.

    As fatias seguem a ordem do lote e diferem em um exemplo, no máximo. Um lote com menos exemplos que processos não se
    reparte: todos o fazem inteiro, e cada um pesa o mesmo.
    """
    if total < count:
        return Share(0, total, total, 1 / count)
    start, stop = rank * total // count, (rank + 1) * total // count
    return Share(start, stop, total, (stop - start) / total)


@contextmanager
def shared(step: Step, parts: Mapping[str, Any]) -> Iterator[Step]:
    """Em volta do laço: o passo que reparte cada lote entre os processos; sozinho, o próprio ``step``.

    Args:
        step: o passo.
        parts: as partes dele, de que as redes começam iguais às do processo 0.
    """
    world = distributed.world()
    if world is None:
        yield step
        return
    for part in parts.values():
        if isinstance(part, nn.Module):
            distributed.same_start(part)
    hook = register_optimizer_step_pre_hook(_add_up_gradients)
    try:
        with distributed.stopping_together():
            yield SharedStep(step, world)
    finally:
        hook.remove()


class SharedStep:
    """Um passo dado por vários processos: recebe o lote inteiro, faz a sua fatia, e devolve os termos do lote inteiro.

    Args:
        step: o passo de um processo.
        world: os processos.
    """

    def __init__(self, step: Step, world: World) -> None:
        self.step = step
        self.world = world
        self._asked: Tensor | None = None

    def __call__(self, batch: Any) -> Terms:
        """Anda um passo com ``batch``, o mesmo em todos os processos.

        Raises:
            KeyboardInterrupt: no passo anterior, um dos processos tinha recebido um Ctrl-C: todos param aqui.
        """
        # O pedido do passo anterior: o deste ainda pode estar a caminho na GPU, e lê-lo a faria parar.
        if self._asked is not None and self._asked.item() > 0:
            self.world.interrupt = False
            raise KeyboardInterrupt
        total = len(batch) if isinstance(batch, Tensor) else len(batch[0])
        mine = share(total, self.world.place.rank, self.world.place.count)
        with Sharing(mine):
            terms = self.step(_part(batch, mine))
        return self._averaged(terms, mine)

    def _averaged(self, terms: Terms, mine: Share) -> Terms:
        names = term_names(terms)
        values = torch.stack([terms[name].detach().double() for name in names]) * mine.weight
        asked = values.new_full((1,), float(self.world.interrupt))
        values = distributed.add_up(torch.cat([values, asked]))
        self._asked = values[-1]
        return dict(zip(names, values[:-1].unbind(), strict=True))


def _part(batch: Any, mine: Share) -> Any:
    if isinstance(batch, Tensor):
        return batch[mine.start : mine.stop]
    return type(batch)(*(value[mine.start : mine.stop] for value in batch))


@torch.no_grad()
def _add_up_gradients(optimizer: torch.optim.Optimizer, _arguments: Any, _options: Any) -> None:
    """Antes de cada passo do otimizador: os gradientes dele, cada um já com o seu peso, somados entre os processos."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    for bucket in _buckets(gradients):
        flat = distributed.add_up(torch.cat([gradient.reshape(-1) for gradient in bucket]))
        pieces = flat.split([gradient.numel() for gradient in bucket])
        torch._foreach_copy_(bucket, [piece.view(one.shape) for piece, one in zip(pieces, bucket, strict=True)])


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for gradient in gradients:
        if bucket and (sum(one.numel() for one in bucket) > BUCKET or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


class Sharing(TorchFunctionMode):
    """Dentro do bloco, as contas do PyTorch numa fatia são as que ela teria no lote inteiro.

    Um sorteio é por exemplo se a sua primeira dimensão é o tamanho da fatia.

    Args:
        mine: a fatia.
    """

    def __init__(self, mine: Share) -> None:
        super().__init__()
        self.mine = mine

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Chama ``func``, ou o que a substitui no lote repartido."""
        kwargs = kwargs or {}
        if func is Tensor.backward:
            return self._backward(*args, **kwargs)
        if not self.mine.is_whole:
            if func in SIZED_DRAWS:
                return self._sized_draw(func, args, kwargs)
            if func in LIKE_DRAWS and self._is_mine(args[0]):
                return self._cut(func(self._whole_like(args[0]), *args[1:], **kwargs))
            if func in IN_PLACE_DRAWS and self._is_mine(args[0]):
                return args[0].copy_(self._cut(func(self._whole_like(args[0]), *args[1:], **kwargs)))
            if func is F.batch_norm and kwargs["training"]:
                return _batch_norm(*args, **{name: value for name, value in kwargs.items() if name != "training"})
            if func in WHOLE_BATCH:
                return self._cut(func(*(self._gather(value) for value in args), **kwargs))
            if func in UNKNOWN_DRAWS:
                raise ValueError(f"{func.__name__}: não sei repartir este sorteio; use torch.rand ou torch.randn")
        return func(*args, **kwargs)

    def _backward(self, loss: Tensor, gradient: Tensor | None = None, *args: Any, **kwargs: Any) -> None:
        gradient = torch.ones_like(loss) if gradient is None else gradient
        Tensor.backward(loss, gradient * self.mine.weight, *args, **kwargs)

    def _sized_draw(self, func: Callable[..., Tensor], args: Any, kwargs: dict[str, Any]) -> Tensor:
        """``torch.randn(n, 20)``, ``torch.rand((n, 20))``, ``torch.randint(10, (n,))``: a forma é o que vem no fim."""
        options = dict(kwargs)
        if "size" in options:
            before, size = args, tuple(options.pop("size"))
        elif args and isinstance(args[-1], Sequence):
            before, size = args[:-1], tuple(args[-1])
        else:
            before, size = (), args
        if not size or size[0] != self.mine.length:
            return func(*args, **kwargs)
        return self._cut(func(*before, (self.mine.total, *size[1:]), **options))

    def _is_mine(self, value: Tensor) -> bool:
        return value.ndim > 0 and len(value) == self.mine.length

    def _whole_like(self, value: Tensor) -> Tensor:
        return value.new_empty((self.mine.total, *value.shape[1:]))

    def _cut(self, whole: Tensor) -> Tensor:
        return whole[self.mine.start : self.mine.stop]

    def _gather(self, value: Any) -> Any:
        """A fatia de todos, na ordem do lote; quem deriva o que sai daqui deriva também através dos outros."""
        if not isinstance(value, Tensor):
            return value
        before = value.new_zeros(self.mine.start, *value.shape[1:])
        after = value.new_zeros(self.mine.total - self.mine.stop, *value.shape[1:])
        return _AddUp.apply(torch.cat([before, value, after]))


class _AddUp(torch.autograd.Function):
    """A soma entre os processos, que se deriva quantas vezes for preciso: o gradiente também é a soma dos de todos."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        return distributed.add_up(values.detach().clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Any:
        return _AddUp.apply(gradient)


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """A normalização por lote de x (n, C, …) com a média e a variância do lote inteiro."""
    channels = [1, -1, *[1] * (x.ndim - 2)]
    over = [dim for dim in range(x.ndim) if dim != 1]
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    count = wide.new_full((1,), x.numel() / x.shape[1])
    *_, total = sums = _AddUp.apply(torch.cat([wide.sum(over), count]))
    mean = sums[:-1] / total
    centred = wide - mean.view(channels)
    var = _AddUp.apply(centred.square().sum(over)) / total
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.detach().to(running_mean), momentum)
        running_var.lerp_((var.detach() * total / (total - 1)).to(running_var), momentum)
    out = centred * torch.rsqrt(var + eps).view(channels)
    if weight is not None:
        out = out * weight.view(channels)
    if bias is not None:
        out = out + bias.view(channels)
    return out.to(x.dtype)
