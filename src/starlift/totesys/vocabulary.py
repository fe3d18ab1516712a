"""Words that made-up people, firms, places and designs are called by. None is anyone's data."""

FIRST_NAMES = (
    "Amara", "Bastien", "Cerys", "Dmitri", "Elif", "Farouk", "Greta", "Hamish", "Ines", "Jarek",
    "Keziah", "Lorcan", "Maeve", "Nikhil", "Orla", "Piotr", "Quentin", "Rosalind", "Soren", "Tamsin",
    "Ulrika", "Vikram", "Wilhelmina", "Xanthe", "Yusuf", "Zoë",
)  # fmt: skip

LAST_NAMES = (
    "Abernathy", "Blackwood", "Castellan", "D'Amico", "Eastcott", "Fairbrother", "Greenhalgh",
    "Hollingworth", "Iveson", "Jardine", "Kowalczyk", "Lindqvist", "Müller", "Northcote", "O'Keefe",
    "Pemberton", "Quayle", "Ramsbottom", "Satterthwaite", "Thistlewood", "Underhill", "Vandermeer",
    "Whitworth", "Yarborough", "Zielinski", "O'Hara",
)  # fmt: skip

FIRM_NAMES = (
    "Ashdown", "Birchall", "Copperfield", "Dunmore", "Ellerby", "Fennimore", "Garthwaite", "Hartnell",
    "Inglewood", "Jessop", "Kettering", "Larkspur", "Merriweather", "Nettleton", "O'Rourke", "Penhallow",
    "Rackham", "Silverdale", "Tranmere", "Winstanley",
)  # fmt: skip

FIRM_FORMS = (
    "{0} and Sons", "{0} Group", "{0} Inc", "{0} LLC", "{0} - {1}", "{0}, {1} and {2}", "{0} & Daughters",
)  # fmt: skip

STREETS = (
    "Alder", "Bellflower", "Cobbler's", "Drover", "Elm", "Foundry", "Gasworks", "Hawthorn", "Ivy",
    "Juniper", "Kiln", "Linden", "Millrace", "Old Mint", "Priory", "Quarry", "Ropewalk", "Saddler",
    "Tannery", "Weaver",
)  # fmt: skip

STREET_KINDS = ("Street", "Road", "Lane", "Close", "Parade", "Wharf", "Terrace", "Mews")

SECOND_LINES = ("Suite {0}", "Unit {0}", "Apt. {0}", "Floor {0}")

DISTRICTS = ("Northmoor", "Eastmarch", "Southfen", "Westvale", "Midholm", "Lakeland", "Saltmarsh", "Highfell")

CITIES = (
    "Port Halvern", "New Brackley", "Saint Odile", "Wexcombe", "Lower Tarn", "East Morrow", "Greyhaven",
    "Fort Ellison", "Calder's Cross", "Upper Wick", "Marlowe", "Tidewater", "Ambleford", "Stonebridge",
)  # fmt: skip

COUNTRIES = (
    "Democratic People's Republic of Korea", "Lao People's Democratic Republic", "Cote d'Ivoire",
    "Saint Helena", "Papua New Guinea", "Isle of Man", "United Arab Emirates", "Sierra Leone", "Iceland",
    "Bolivia", "Mauritius", "Norway", "Kazakhstan", "Uruguay", "Nepal", "Zambia",
)  # fmt: skip

DESIGNS = (
    "Wooden", "Canvas", "Linen", "Hessian", "Denim", "Jute", "Velvet", "Quilted", "Recycled", "Leather",
    "Woven", "Corduroy",
)  # fmt: skip

FILE_LOCATIONS = (
    "/srv/designs", "/srv/designs/archive", "/home/studio", "/home/studio/drafts", "/mnt/press",
    "/mnt/press/queue", "/opt/patterns", "/opt/patterns/2x", "/usr/share/totes", "/var/lib/totes",
    "/data/looms", "/data/looms/left",
)  # fmt: skip

DEPARTMENTS = (
    ("Sales", "Manchester", "Beatrix Holloway"),
    ("Purchasing", "Manchester", "Conrad Ashby"),
    ("Production", "Leeds", "Ngozi Fairfax"),
    ("Dispatch", "Leds", "Rafael O'Brien"),
    ("Finance", "Manchester", "Ingrid Castle"),
    ("Facilities", "Manchester", "Desmond Tully"),
    ("Communications", "Leeds", "Saoirse Whitlock"),
    ("HR", "Leeds", "Matteo Brandt"),
)
"""Name, location, manager; the fourth location is misspelt as in the source this one stands for."""

CURRENCIES = ("GBP", "USD", "EUR")

PAYMENT_TYPES = ("SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND")
