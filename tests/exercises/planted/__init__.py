"""Respostas plantadas, um módulo por exercício, com o mesmo nome do que o define em ``exercises.definitions``.

Cada módulo tem ``RIGHT`` (nome da função → uma resposta certa), ``ALSO_RIGHT`` (questão e outra resposta certa)
e ``MISTAKES`` (questão, resposta errada e um trecho da dica que ela merece).
"""
