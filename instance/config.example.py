"""Settings of the stand-alone server: copy this file to instance/config.py and uncomment what you change.

The environment goes before this file. Every line below shows the default. Durations are seconds, sizes bytes.
docs/generate.py writes this file from assistant/config.py.
"""
# ruff: noqa: ERA001

# Where requests live: memory:// (one worker) or redis://host:port/db (any number).
# ASSISTANT_REGISTRY = "memory://"

# What the keys of this deployment begin with, where several share a Redis.
# ASSISTANT_REDIS_PREFIX = "assistant"

# Which model provider answers: demo, openai or anthropic.
# ASSISTANT_PROVIDER = "demo"

# The model's name, for providers that need one.
# ASSISTANT_MODEL = ""

# A model per mode, for example chat=small,generate=large.
# ASSISTANT_MODELS = {}

# Address of an OpenAI-compatible server, for example http://127.0.0.1:11434/v1.
# ASSISTANT_BASE_URL = ""

# Key of the provider; else the SDK's own variable is read.
# ASSISTANT_API_KEY = ""

# Most tokens one model answer may have.
# ASSISTANT_MAX_OUTPUT_TOKENS = 4096

# Most characters of earlier turns sent to the model.
# ASSISTANT_HISTORY_CHARS = 48000

# Whether windows offer their devtools, by a button and by ?assistant_debug=1.
# ASSISTANT_DEVTOOLS = False

# Where the stand-alone page's link to documentation leads; without it there is none.
# ASSISTANT_DOCS_URL = ""

# Whether visitors without a login get a guest token.
# ASSISTANT_GUESTS = False

# Where the routes live.
# ASSISTANT_URL_PREFIX = "/assistant"

# Other origins whose pages may call, exact, comma-separated.
# ASSISTANT_ORIGINS = ()

# How many trusted proxies stand in front (for X-Forwarded-*).
# ASSISTANT_PROXIES = 0

# Most running requests a worker.
# ASSISTANT_MAX_ACTIVE = 1000

# Most running requests of all workers together; 0 means no bound.
# ASSISTANT_MAX_ACTIVE_TOTAL = 0

# Most running requests a user.
# ASSISTANT_MAX_ACTIVE_PER_USER = 5

# Most open streams a request.
# ASSISTANT_MAX_VIEWERS = 10

# Most open streams a worker.
# ASSISTANT_MAX_STREAMS = 1000

# Most bytes all logs of a worker may hold.
# ASSISTANT_MAX_BYTES = 536870912

# Most bytes one request may hold.
# ASSISTANT_MAX_REQUEST_BYTES = 10000000

# Most events one request may have.
# ASSISTANT_MAX_REQUEST_EVENTS = 50000

# POSTs a user per mode.
# ASSISTANT_RATES = {"chat": "60/minute", "edit": "30/minute", "generate": "20/minute"}

# How long a request may go without an event.
# ASSISTANT_REQUEST_TTL = 300.0

# How long until the first part of the answer.
# ASSISTANT_FIRST_CHUNK_TIMEOUT = 60.0

# How long a request may take in all.
# ASSISTANT_DEADLINE = 1800.0

# How long an ended request is kept for replay.
# ASSISTANT_RETENTION = 300.0

# How long an expired id is remembered as gone.
# ASSISTANT_TOMBSTONE = 3600.0

# How long a request waits for its first viewer.
# ASSISTANT_UNWATCHED_TIMEOUT = 60.0

# How long a request goes on after its last viewer left.
# ASSISTANT_ABANDON_TIMEOUT = 300.0

# How long the page has to answer an action.
# ASSISTANT_ACTION_TIMEOUT = 120.0

# How long a viewer may take no bytes.
# ASSISTANT_STALL_TIMEOUT = 60.0

# Longest silence on a stream.
# ASSISTANT_HEARTBEAT = 15.0

# Whether streams write their socket themselves; wsgi.py switches it on, middleware around the app forbids it.
# ASSISTANT_SOCKET_DRIVER = False

# How long a piece of work may keep the loop before it is logged with its stack; 0 looks at nothing.
# ASSISTANT_BLOCKED_AFTER = 0.1

# Whether the mode doctor is there, by which `flask assistant doctor --url` measures without a model.
# ASSISTANT_DIAGNOSIS = False

# Log lines as json or text; auto: text in a terminal, json elsewhere.
# ASSISTANT_LOG_FORMAT = "auto"

# The bearer token that /metrics asks for; without one everybody may read it.
# ASSISTANT_METRICS_TOKEN = ""

# How long a request body may take to arrive.
# ASSISTANT_BODY_TIMEOUT = 10.0

# How long running requests may go on while the server stops.
# ASSISTANT_DRAIN_TIMEOUT = 55.0

# --- flask-jwt-extended: who may call ---
# The secret for HS256, at least 32 bytes; without one, a secret of this host is made in instance/secret.
# JWT_SECRET_KEY = ""

# Or public-key tokens: JWT_ALGORITHM = "RS256" and the issuer's key in PEM.
# JWT_PUBLIC_KEY = ""
