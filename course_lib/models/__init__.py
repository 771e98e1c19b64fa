"""As famílias: as redes, o objetivo e a amostragem. Cada arquivo diz o capítulo que o constrói; as maiores têm mais de um."""
