"""As conferências das bordas públicas, uma linha cada: dizem o que veio e o que se esperava. Só aqui.

Uma conferência de um valor que não serve levanta ``TypeError`` (não é esse tipo de coisa) ou ``ValueError`` (é, mas não
este valor), em português e com o nome do argumento na frente. As de inteiros devolvem o valor no tipo que as contas
pedem, ``int`` ou int64, venha ele do Python, do NumPy ou de um arquivo; as outras não devolvem nada. Nenhuma muda o que
recebe.
"""

from course_lib.checks.tensors import (
    IMAGE_SHAPE,
    classes,
    codes,
    conditioned,
    dtype,
    dtype_of,
    floating,
    guidance,
    images,
    index,
    integral,
    levels,
    partly_known,
    same_shape,
    shape,
    sized_images,
    times,
    typed,
)
from course_lib.checks.values import (
    count,
    integer,
    integers,
    not_empty,
    number,
    numbers,
    numbers_each,
    one_of,
    permutation,
    require,
    same,
    sizes,
    span,
)

__all__ = [
    "IMAGE_SHAPE",
    "classes",
    "codes",
    "conditioned",
    "count",
    "dtype",
    "dtype_of",
    "floating",
    "guidance",
    "images",
    "index",
    "integer",
    "integers",
    "integral",
    "levels",
    "not_empty",
    "number",
    "numbers",
    "numbers_each",
    "one_of",
    "partly_known",
    "permutation",
    "require",
    "same",
    "same_shape",
    "shape",
    "sized_images",
    "sizes",
    "span",
    "times",
    "typed",
]
