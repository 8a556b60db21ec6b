"""The demo's tour: every endpoint once, in the order in which somebody would use them.

Each stop asks, checks what comes back, and gives a line for people. What the tour predicts it also deletes at its end.
"""

from __future__ import annotations

from service.demo import learning, looking_back, predicting, serving

BEFORE = serving.STOPS  # the samples that `api_demo` sends to POST /predict
AFTER = predicting.STOPS + learning.STOPS + looking_back.STOPS
