"""Damage to whole lines of order files: quotes, delimiters, lines that are no rows."""

from __future__ import annotations

import random

from shipkit.testing.spoiled_file import SpoiledFile

__all__ = [
    "all_wrapped",
    "another_delimiter",
    "blank_lines",
    "broken_in_two",
    "cell_missing",
    "cell_missing_within",
    "cell_too_many",
    "comment",
    "comment_above",
    "cut_off",
    "delimiter_at_the_end",
    "explained",
    "footer",
    "heading_missing",
    "heading_too_many",
    "headings_again",
    "inch_mark",
    "nul",
    "open_quote",
    "row_wrapped_in_quotes",
    "same_row_twice",
    "second_table",
    "shuffled",
    "title",
]


def row_wrapped_in_quotes(file: SpoiledFile, chance: random.Random) -> None:
    """Put one or two rows in quotes as a whole."""
    for index in chance.sample(range(len(file.rows)), min(2, len(file.rows))):
        file.lines[index].append(lambda line: '"' + line.replace('"', '""') + '"')
        file.expect("same", index)


def inch_mark(file: SpoiledFile, chance: random.Random) -> None:
    """Write an inch mark in a cell without quotes."""
    index = chance.randrange(len(file.rows))
    if "Remark" not in file.headings:
        file.add_column("Remark", {index: "MARK"}, "none")
        file.lines[index].append(lambda line: line.replace("MARK", 'monitor 27"'))


def open_quote(file: SpoiledFile, chance: random.Random) -> None:
    """Open a quote in a cell; half of the time another row closes it."""
    index = chance.randrange(len(file.rows))
    if "Gift Text" not in file.headings:
        file.add_column("Gift Text", {index: "MARK"}, "none")
        file.lines[index].append(lambda line: line.replace("MARK", '"for mom'))
        if chance.random() < 0.5 and index + 2 < len(file.rows):
            file.rows[index + 2][-1] = "MARK"
            file.lines[index + 2].append(lambda line: line.replace("MARK", '"fragile"'))


def cell_too_many(file: SpoiledFile, chance: random.Random) -> None:
    """Write a delimiter too many, at the end or behind the first cell."""
    index = chance.randrange(len(file.rows))
    mark = file.delimiter
    if chance.random() < 0.5:
        file.lines[index].append(lambda line: line + mark)
        file.expect("same", index)
    else:
        file.lines[index].append(lambda line: line.replace(mark, mark * 2, 1))
        file.expect("same", index)


def cell_missing(file: SpoiledFile, chance: random.Random) -> None:
    """Leave out the last cell of a row."""
    index = chance.randrange(len(file.rows))
    file.lines[index].append(lambda line: line.rsplit(file.delimiter, 1)[0])
    file.expect("same", index)
    file.expect("torn", index)


def blank_lines(file: SpoiledFile, chance: random.Random) -> None:
    """Insert a blank line, or one of delimiters only."""
    blank = chance.choice(("", file.delimiter * (len(file.headings) - 1)))
    file.before[chance.randrange(len(file.rows))].append(blank)


def headings_again(file: SpoiledFile, chance: random.Random) -> None:
    """Repeat the headings between rows."""
    file.before[chance.randrange(1, len(file.rows))].append(file.line(file.headings))


def explained(file: SpoiledFile, _: random.Random) -> None:
    """Write a line below the headings that explains them."""
    cells = [f"The {heading.lower()} of the order." for heading in file.headings]
    file.before[0].append(file.line(cells))


def title(file: SpoiledFile, chance: random.Random) -> None:
    """Write one or two lines above the headings."""
    file.above += [f"Orders of {chance.randint(1, 28)} November 2026", ""][: chance.randint(1, 2)]


def footer(file: SpoiledFile, chance: random.Random) -> None:
    """Write a line below the rows."""
    rows = len(file.rows)
    file.below.append(chance.choice((f"Total: {rows} orders", f'"{rows} record(s) downloaded,"')))


def nul(file: SpoiledFile, chance: random.Random) -> None:
    """Write a NUL byte at the end of a row."""
    index = chance.randrange(len(file.rows))
    file.lines[index].append(lambda line: line + "\x00")
    file.expect("same", index)


def same_row_twice(file: SpoiledFile, chance: random.Random) -> None:
    """Write a row twice."""
    index = chance.randrange(len(file.rows))
    file.before[index].append(file.line(file.rows[index]))
    file.expect("warned", index)


def cell_missing_within(file: SpoiledFile, chance: random.Random) -> None:
    """Leave out any cell of a row, with its delimiter."""
    index, column = chance.randrange(len(file.rows)), chance.randrange(len(file.headings))
    cells = list(file.rows[index])
    del cells[min(column, len(cells) - 1)]  # after "a heading too many", rows have fewer
    file.lines[index].append(lambda _: file.line(cells))
    file.expect("same", index)
    file.expect("torn", index)


def broken_in_two(file: SpoiledFile, chance: random.Random) -> None:
    """Break a row at its first blank."""
    index = chance.randrange(len(file.rows))
    file.lines[index].append(lambda line: line.replace(" ", file.eol, 1))
    file.expect("same", index)


def comment(file: SpoiledFile, chance: random.Random) -> None:
    """Insert a comment between rows."""
    text = chance.choice(("# second part", "# exported, by the shop", "-- page 2 --"))
    file.before[chance.randrange(len(file.rows))].append(text)


def comment_above(file: SpoiledFile, chance: random.Random) -> None:
    """Write a comment above the headings."""
    file.above.insert(0, chance.choice(("# orders of May", "# shop, 14, rows", "// export")))


def another_delimiter(file: SpoiledFile, chance: random.Random) -> None:
    """Write one row with another delimiter."""
    index = chance.randrange(len(file.rows))
    other = chance.choice([mark for mark in ";\t|" if mark != file.delimiter])
    file.lines[index].append(lambda line: line.replace(file.delimiter, other))
    file.expect("same", index)


def all_wrapped(file: SpoiledFile, chance: random.Random) -> None:
    """Put all lines in quotes as a whole."""
    behind = chance.choice(("", ";;"))
    file.around.append(lambda line: '"' + line.replace('"', '""') + '"' + behind if line else line)
    file.expect("same")


def delimiter_at_the_end(file: SpoiledFile, _: random.Random) -> None:
    """Write a delimiter at the end of each row, but not of the headings."""
    for index in range(len(file.rows)):
        file.lines[index].append(lambda line: line + file.delimiter)
    file.expect("same")


def heading_missing(file: SpoiledFile, chance: random.Random) -> None:
    """Leave out a heading."""
    del file.headings[chance.randrange(len(file.headings))]
    file.roles = {}
    file.expect("same")


def heading_too_many(file: SpoiledFile, chance: random.Random) -> None:
    """Write a heading that no cell belongs to."""
    file.headings.insert(chance.randrange(len(file.headings)), "Color")
    file.roles = {}
    file.expect("same")


def second_table(file: SpoiledFile, _: random.Random) -> None:
    """Write another table below the rows."""
    file.below += ["", file.line(["SKU", "Count"]), file.line(["MUG", "14"])]


def cut_off(file: SpoiledFile, chance: random.Random) -> None:
    """Cut the last row off."""
    index = len(file.rows) - 1
    left = chance.randint(5, 60)
    file.lines[index].append(lambda line: line[:left])
    file.expect("same", index)


def shuffled(file: SpoiledFile, chance: random.Random) -> None:
    """Write the columns in another order."""
    if file.headings and not file.lines:
        order = chance.sample(range(len(file.headings)), len(file.headings))
        file.headings = [file.headings[n] for n in order]
        file.rows = [[row[n] for n in order] for row in file.rows]
