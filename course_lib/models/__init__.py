"""As famílias: as redes, o objetivo e a amostragem. Cada arquivo diz o seu capítulo; as maiores têm mais de um."""
