"""O corretor de turmas do curso: da pasta de entregas às notas, com o código de cada estudante numa caixa isolada.

Um pacote ao lado de ``course_lib``, que ele importa e que nunca o importa: quem estuda não precisa dele. O caminho de
uma turma, de cima para baixo:

* ``command`` lê os argumentos e conduz a correção; ``assignment`` é o exercício, com os casos ocultos da turma;
* ``submission`` acha as entregas, ``batch`` as percorre e retoma, e ``cluster`` as reparte por várias máquinas;
* ``grade`` corrige uma entrega, numa caixa (``sandbox``, montada por ``bubblewrap``) com a qual conversa por um canal
  de dados (``channel``); ``inside`` é o que roda lá dentro, e a única parte deste pacote que a caixa mostra;
* ``result`` é o que se guarda, e ``table``, ``report`` e ``moodle``, o que sai.
"""
