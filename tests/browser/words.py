"""What the answers of the browser tests consist of."""


def words(count: int) -> list[str]:
    """`count` words; each is another one, so that a lost or doubled one shows."""
    return [f"w{number} " if number % 12 else f"w{number}.\n\n" for number in range(1, count + 1)]
