"""Os pesos que vêm com o curso, e o juiz de amostras, que é um deles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from course_lib import checks, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.metrics import Judge
from course_lib.recipes import get_recipe
from course_lib.text import number
from course_lib.training import History
from course_lib.weights.card import Card
from course_lib.weights.store import load_trained

SHIPPED = Path(__file__).parent

# As médias de uma época de um mesmo treino, em dois processadores: as de uma GAN chegam a diferir de alguns por cento.
SAME_TRAINING = 0.1


def load_shipped(name: str) -> tuple[Any, Card]:
    """O passo e o cartão dos pesos de ``NOME`` que vêm com o curso.

    Raises:
        ValueError: modelo desconhecido.
        WeightsError: não há pesos deste modelo no curso, ou o arquivo está estragado.
    """
    return load_trained(SHIPPED, name)


def fast_forward(name: str, step: Any, history: History, dataset: ImageDataset) -> History:
    """Leva um treino começado ao vivo ao fim que está no cartão de ``NOME``, e devolve o histórico inteiro.

    As épocas feitas são comparadas com as do cartão, e a maior diferença entre as médias, impressa: no mesmo
    processador elas coincidem, e noutro se afastam aos poucos. As redes de ``step`` que o curso gravou recebem, no
    lugar, os pesos do fim do treino. Com outros dados, noutro perfil ou depois da última época, tudo fica como está.

    Args:
        name: modelo que vem com o curso, de que ``step`` repete o treino.
        step: o passo, com as mesmas redes.
        history: o que já se treinou.
        dataset: com que imagens.

    Raises:
        ValueError: modelo desconhecido, ou os termos do histórico são outros.
        WeightsError: não há pesos deste modelo no curso, ou o arquivo está estragado.
    """
    shipped, card = load_shipped(name)
    done, planned = len(history), len(card.history)
    same_data = runtime.profile() == card.profile and dataset.sha256() == card.dataset.sha256
    if not same_data or done >= planned or not done:
        return history
    checks.require(
        history.terms == card.history.terms,
        f"history: tem {', '.join(history.terms)}; o treino de {name} registra {', '.join(card.history.terms)}",
    )
    pairs = zip(history.epochs, card.history.epochs, strict=False)
    gap = max(abs(mine[term] - theirs[term]) / (abs(theirs[term]) or 1) for mine, theirs in pairs for term in mine)
    for part, network in get_recipe(name).stored(shipped).items():
        getattr(step, part).load_state_dict(network.state_dict())
    mark, verdict = ("✔", "repetem") if gap <= SAME_TRAINING else ("⚠", "não repetem")
    print(
        f"{mark} épocas ao vivo: {done} de {planned}, que {verdict} o cartão (diferença de até {number(gap, '.1%')}); "
        "os pesos, agora, são os do fim dele"
    )
    return card.history


def load_judge(reference: ImageDataset | None = None) -> Judge:
    """O juiz de amostras que vem com o curso.

    Args:
        reference: imagens reais com que ele compara, inteiras ou sorteadas; o teste do MNIST quando faltam.

    Raises:
        ValueError: ``reference`` são as primeiras imagens de um arquivo, ou são poucas.
        WeightsError: os pesos do juiz faltam ou estão estragados.
    """
    step, card = load_shipped("judge")
    reference = reference if reference is not None else load_mnist("test")
    return Judge(step.model, card.sha256, reference)
