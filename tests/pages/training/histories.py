"""A history of two stages, small enough to work out by hand; the lowest loss of all is in the first."""

from __future__ import annotations

from models.runs.history import History, parse_history

STAGED = """epoch,stage,loss,val_loss,auc,learning_rate
0,one,4,3,0.5,0.01
1,one,2,0.5,0.6,0.001
2,two,1,0.9,0.7,0.001
3,two,0.8,0.7,0.8,0.001
4,two,0.6,1.2,0.9,0.0001
"""


def staged() -> History:
    return parse_history(STAGED.encode(), "staged.csv")
