"""A hand-written WordNet of a few synsets, in the format of wndb(5WN)."""

LICENCE = "  1 A licence, in lines that begin with two blanks.  \n"

NOUN = LICENCE + (
    '00000100 17 n 01 landform 0 002 ~ 00000200 n 0000 ~i 00000300 n 0000 '
    '| a natural shape of the ground  \n'
    '00000200 17 n 02 hill 0 small_mountain 1 002 @ 00000100 n 0000 + 00000100 v 0101 '
    '| a raised part; lower than a mountain; "they climbed the hill at dawn"; "up the hill"  \n'
    '00000300 15 n 01 Blue_Hill 0 001 @i 00000100 n 0000 | a hill that is blue  \n')
VERB = LICENCE + (
    '00000100 38 v 01 climb 0 001 + 00000200 n 0101 02 + 01 00 + 08 00 '
    '| go upward; "climb the ladder to the roof"  \n')
ADJ = LICENCE + (
    '00000100 00 a 02 high 0 tall(p) 0 001 & 00000200 s 0000 | far up; "a high wall  \n'
    '00000200 00 s 01 steep(a) 0 001 & 00000100 a 0000 '
    '| rising fast; "the steep path made us breathe hard"--a walker; said of slopes  \n')
ADV = LICENCE + '00000100 02 r 01 uphill 0 000 | toward the top  \n'


def write(test, **replaced):
    """Writes the database into `wn` of a test's folder; returns that folder."""
    for name, text in {"noun": NOUN, "verb": VERB, "adj": ADJ, "adv": ADV, **replaced}.items():
        path = test.file(f"wn/data.{name}", text)
    return path.parent
