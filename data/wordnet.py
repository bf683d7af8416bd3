"""Reads the WordNet 3.0 database files: data.noun, data.verb, data.adj, data.adv.

The format is the one of the manual page wndb(5WN). Debian's package wordnet-base
puts the files in /usr/share/wordnet. It leaves out the file `lexnames`, whose
names are fixed for all of WordNet 3.0, so they are listed here.
"""

import re
from pathlib import Path
from typing import NamedTuple

from failure import InputError

DEFAULT_FOLDER = "/usr/share/wordnet"
FILES = (("data.noun", "n"), ("data.verb", "v"), ("data.adj", "a"), ("data.adv", "r"))

# Lexicographer files by number: lexnames(5WN).
DOMAINS = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact "
    "noun.attribute noun.body noun.cognition noun.communication noun.event "
    "noun.feeling noun.food noun.group noun.location noun.motive noun.object "
    "noun.person noun.phenomenon noun.plant noun.possession noun.process "
    "noun.quantity noun.relation noun.shape noun.state noun.substance noun.time "
    "verb.body verb.change verb.cognition verb.communication verb.competition "
    "verb.consumption verb.contact verb.creation verb.emotion verb.motion "
    "verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl"
).split()

INSTANCE_OF = "@i"
# Hypernym, hyponym, the same for instances, and similar-to (of adjectives).
NEAR = frozenset(("@", "~", INSTANCE_OF, "~i", "&"))

_PART = re.compile(r'(?:[^;"]|"[^"]*(?:"|$))+')
_MARKER = re.compile(r"\((?:a|p|ip)\)$")


class Synset(NamedTuple):
    """One meaning. `id` is the offset in its file and a letter for the file."""

    id: str
    domain: str
    lemmas: tuple
    gloss: str
    near: tuple  # ids of hypernyms, hyponyms and similar synsets, in file order
    is_instance: bool  # a single named thing (a city, a person), not a kind of thing

    @property
    def part(self):
        """Part of speech: noun, verb, adj or adv."""
        return self.domain.partition(".")[0]

    @property
    def title(self):
        return ", ".join(self.lemmas)

    @property
    def definition(self):
        return split_gloss(self.gloss)[0]

    @property
    def examples(self):
        return split_gloss(self.gloss)[1]


def split_gloss(gloss):
    """(definition, usage examples) of a gloss.

    A gloss is a list parted by semicolons; a part that begins with a quotation
    mark is an example, the others define. A few glosses lack a closing mark:
    such a part is neither.
    """
    if '"' not in gloss:
        return gloss, ()
    defining, examples = [], []
    for part in _PART.findall(gloss):
        part = part.strip()
        if part.startswith('"'):
            quoted = part.split('"')
            if len(quoted) > 2:
                examples.append(quoted[1].strip())
        elif part:
            defining.append(part)
    return "; ".join(defining), tuple(examples)


def file_letter(part_of_speech):
    """Letter of the file that a synset is in: satellites (s) are in data.adj."""
    return "a" if part_of_speech == "s" else part_of_speech


def parse_line(line, letter):
    """The synset of one line of a database file; ValueError or IndexError if it is none."""
    data, bar, gloss = line.partition(" | ")
    if not bar:
        raise ValueError("no gloss")
    field = data.split()
    if len(field[0]) != 8 or not field[0].isdigit():
        raise ValueError(f"the offset is '{field[0]}', not 8 digits")
    if file_letter(field[2]) != letter:
        raise ValueError(f"the part of speech is '{field[2]}', not '{letter}'")
    words = int(field[3], 16)
    pointers = 4 + 2 * words
    lemmas = field[4:pointers:2]
    if words == 0 or len(lemmas) != words:
        raise ValueError(f"the number of words is {words}")
    if letter == "a":
        lemmas = [_MARKER.sub("", lemma) for lemma in lemmas]
    count = int(field[pointers])
    if len(field) < pointers + 1 + 4 * count:
        raise ValueError(f"fewer than {count} pointers")
    near, is_instance = [], False
    for at in range(pointers + 1, pointers + 1 + 4 * count, 4):
        if field[at] in NEAR:
            near.append(field[at + 1] + file_letter(field[at + 2]))
            is_instance = is_instance or field[at] == INSTANCE_OF
    return Synset(field[0] + letter, DOMAINS[int(field[1])],
                  tuple(lemma.replace("_", " ") for lemma in lemmas),
                  gloss.strip(), tuple(near), is_instance)


def check_folder(folder):
    """Paths of the database files; InputError if one is not there."""
    paths = [Path(folder) / name for name, _ in FILES]
    for path in paths:
        if not path.is_file():
            raise InputError(f"no such WordNet file; on Debian: apt-get install wordnet-base; "
                             f"elsewhere name the folder of {FILES[0][0]} with --wordnet", path)
    return paths


def read(folder=DEFAULT_FOLDER):
    """All synsets of the database: nouns, verbs, adjectives, adverbs, in file order."""
    synsets = []
    for path, (_, letter) in zip(check_folder(folder), FILES):
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith("  "):  # the licence, at the top of each file
                    continue
                try:
                    synsets.append(parse_line(line, letter))
                except (ValueError, IndexError) as error:
                    raise InputError(f"no synset of wndb(5WN): {error}", path, number) from None
    return synsets
