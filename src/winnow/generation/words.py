"""The words of the built-in problems: few, so that a tiny vocabulary covers them."""

NAMES = (
    "Ana", "Ben", "Carla", "Dan", "Emma", "Finn", "Grace", "Hugo", "Ines", "Jack",
    "Kim", "Leo", "Mia", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Zoe",
)  # fmt: skip

THINGS = (
    "apples", "balls", "beads", "books", "buttons", "cards", "coins", "cookies", "eggs", "flowers",
    "keys", "lemons", "marbles", "nuts", "pears", "pencils", "plums", "shells", "stamps", "stones",
)  # fmt: skip

PLACES = ("barn", "garden", "kitchen", "library", "market", "museum", "park", "school", "shop", "station")

CONTAINERS = ("bags", "baskets", "boxes", "jars", "trays")

CAPITALS = {
    "Austria": "Vienna", "Chile": "Santiago", "Cuba": "Havana", "Egypt": "Cairo", "France": "Paris",
    "Greece": "Athens", "Italy": "Rome", "Japan": "Tokyo", "Kenya": "Nairobi", "Norway": "Oslo",
    "Peru": "Lima", "Portugal": "Lisbon", "Spain": "Madrid", "Sweden": "Stockholm", "Turkey": "Ankara",
}  # fmt: skip

COLOURS = {
    "coal": "black", "milk": "white", "grass": "green", "snow": "white", "a lemon": "yellow",
    "blood": "red", "the sky": "blue", "a carrot": "orange", "a tomato": "red", "a frog": "green",
    "a banana": "yellow", "a plum": "purple",
}  # fmt: skip

SOUNDS = {
    "dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "horse": "neighs", "lion": "roars",
    "sheep": "bleats", "owl": "hoots", "snake": "hisses", "wolf": "howls", "frog": "croaks", "bee": "buzzes",
}  # fmt: skip
