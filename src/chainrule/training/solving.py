"""Which solver trains, and how: chosen, told its rate, and called."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from chainrule.engine.network import Network
from chainrule.maths.schedules import rate_policy
from chainrule.training.arguments.asked import Asked
from chainrule.training.arguments.settings import batch_sizes
from chainrule.training.arguments.solvers import kind_of
from chainrule.training.examples.batches import Examples
from chainrule.training.minibatches import loop as minibatch
from chainrule.training.minibatches import rate_finder
from chainrule.training.minibatches.input_terms import InputTerm
from chainrule.training.minibatches.loop import Recipe
from chainrule.training.progress.history import Reason
from chainrule.training.session import Session
from chainrule.training.watching.listeners import read_callbacks

_LOG = logging.getLogger("chainrule.training")


def choose(net: Network, asked: Asked, data: Examples, session: Session) -> Asked:
    """Choose the optimizer where that was asked for, and say why before training begins."""
    if not asked.chooses:
        return asked
    from chainrule.training.arguments import choice  # with what it counts

    found = None if asked.checkpoints is None else asked.checkpoints.found
    watched, given = bool(session.listeners.of_batches), asked.given
    optimizer, why = choice.chosen_before(found) or choice.choose(
        net.plan, len(data), given["batch_size"], given, asked.defaults, watched
    )
    kind = kind_of(optimizer)
    # a training that is resumed may have others now, that look at batches
    read_callbacks(given["callbacks"], "" if kind is None else kind.title)
    session.history.choice = why
    session.bar.say(why)
    _LOG.info(why)
    return replace(asked, optimizer=optimizer)


def solve(net: Network, asked: Asked, data: Examples, terms: tuple[InputTerm, ...], session: Session) -> Reason:
    """Train until something ends it. Raises what solvers raise."""
    now, options = session.now, asked.options
    kind = kind_of(asked.optimizer)
    if asked.epochs == 0:
        return "epochs"
    if kind is not None:
        _LOG.info("training goes by %s, on the whole set at once", kind.title)
        frozen = options.frozen(net.plan)
        return kind.run(net, data, asked.optimizer, asked.penalty, asked.epochs, now, session.end_epoch, frozen)
    recipe = Recipe(
        asked.optimizer,  # type: ignore[arg-type] # what has no kind is a rule
        asked.rates or rate_policy(1.0),
        batch_sizes(asked.given["batch_size"], asked.epochs, len(data)),
        asked.rng if asked.given["shuffle"] else None,
        asked.penalty,
        asked.l1,
        options,
        terms,
        session.listeners if session.listeners.of_batches else None,
    )
    if asked.rates is None:
        found = session.history.rate_search
        if found is None:
            found = session.history.rate_search = rate_finder.find_rate(net, data, recipe, now)
            session.clock = time.perf_counter()
        recipe = replace(recipe, rates=rate_policy(found.chosen))
    return minibatch.run(net, data, recipe, now, session.end_epoch)
