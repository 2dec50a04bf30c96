//! A pool of simulation workers beside the page's own: they share the items of one [`Work`] among them.
//!
//! Each worker reads the dataset itself, from the browser's cache, and holds it from then on. Items are handed out a
//! few at a time, so that a slow worker does not hold up the end; what comes back is passed on some ten times a second.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::browser;
use super::engine::Engine;
use crate::protocol::{FromWorker, Item, Part, Roster, ToWorker, Work};

/// Workers at most: more share too little among them to be worth a copy of the dataset each.
const MAX_WORKERS: usize = 8;
/// Items that a worker has before it at most.
const MAX_AHEAD: usize = 64;
/// What came is passed on no more often than this.
const FLUSH_MS: i32 = 100;

/// What a work tells of itself.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Items that are done, each with the nodes of its network.
    Items(Vec<(Rc<Roster>, Item)>),
    /// Every item is done.
    Done {
        /// Time that passed since the start, in milliseconds.
        elapsed_ms: f64,
    },
    /// A worker stopped; the others go on with its items.
    Weaker(String),
    /// The last worker stopped: the items that are not done stay so.
    Failed(String),
}

/// The pool. Empty until its first work.
#[derive(Default)]
pub struct Pool {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    seats: RefCell<Vec<Seat>>,
    next_seat: Cell<u32>,
    next_job: Cell<u32>,
    run: RefCell<Option<Run>>,
    timer: RefCell<Option<Closure<dyn FnMut()>>>,
    timer_is_set: Cell<bool>,
}

struct Seat {
    number: u32,
    engine: Engine,
    /// Items that it was given and has not sent back.
    ahead: Vec<u32>,
    /// How many it sent back at once, lately.
    pace: usize,
}

struct Run {
    job: u32,
    queue: VecDeque<u32>,
    /// Items that have not come back.
    left: usize,
    rosters: Vec<Rc<Roster>>,
    came: Vec<(Rc<Roster>, Item)>,
    start_ms: f64,
    on_news: Rc<dyn Fn(News)>,
}

impl Pool {
    /// Runs the items of `work` in about the order of `items`, in place of the work before it; workers that are lacking
    /// are started. A work that is not whole within the page says so through `on_news`.
    pub fn start(&self, work: &Work, items: impl IntoIterator<Item = u32>, on_news: impl Fn(News) + 'static) {
        self.stop();
        let inner = &self.inner;
        let job = inner.next_job.get();
        inner.next_job.set(job.wrapping_add(1));
        let queue: VecDeque<u32> = items.into_iter().collect();
        let wanted = browser::processors().min(MAX_WORKERS).min(queue.len()).max(1);
        *inner.run.borrow_mut() = Some(Run {
            job,
            left: queue.len(),
            queue,
            rosters: Vec::new(),
            came: Vec::new(),
            start_ms: browser::now_ms(),
            on_news: Rc::new(on_news),
        });
        let lacking = wanted.saturating_sub(inner.seats.borrow().len());
        for _ in 0..lacking {
            Inner::take_seat(inner);
        }
        let seats: Vec<(u32, Engine)> =
            inner.seats.borrow().iter().map(|seat| (seat.number, seat.engine.clone())).collect();
        for (number, engine) in seats {
            engine.send(&ToWorker::Prepare { job, work: Box::new(work.clone()) });
            inner.hand_out(number);
        }
        Inner::end_if_done(inner);
    }

    /// Stops the work at once; what is not passed on yet is.
    pub fn stop(&self) {
        self.inner.flush();
        if self.inner.run.borrow_mut().take().is_some() {
            for seat in self.inner.seats.borrow_mut().iter_mut() {
                seat.ahead.clear();
                seat.engine.send(&ToWorker::Stop);
            }
        }
    }
}

impl Inner {
    fn take_seat(inner: &Rc<Self>) {
        let number = inner.next_seat.get();
        inner.next_seat.set(number + 1);
        let own = Rc::downgrade(inner);
        let engine = Engine::spawn(move |message| {
            if let Some(inner) = own.upgrade() {
                Self::hear(&inner, number, message);
            }
        });
        let is_running = engine.is_running();
        inner.seats.borrow_mut().push(Seat { number, engine, ahead: Vec::new(), pace: 2 });
        if !is_running {
            Self::lose(inner, number, "this browser started no simulation worker");
        }
    }

    fn hear(inner: &Rc<Self>, number: u32, message: FromWorker) {
        match message {
            FromWorker::Items { job, roster, items } => {
                let is_it = inner.run.borrow().as_ref().is_some_and(|run| run.job == job);
                if is_it {
                    inner.take(number, roster, items);
                    inner.hand_out(number);
                    Self::end_if_done(inner);
                }
            }
            FromWorker::Failed(failure) if matches!(failure.part, Part::Dataset | Part::Worker) => {
                Self::lose(inner, number, &failure.message);
            }
            _ => {}
        }
    }

    fn take(&self, number: u32, roster: Roster, items: Vec<Item>) {
        let mut run = self.run.borrow_mut();
        let Some(run) = run.as_mut() else { return };
        if let Some(seat) = self.seats.borrow_mut().iter_mut().find(|seat| seat.number == number) {
            seat.pace = items.len().max(1);
            seat.ahead.retain(|ahead| items.iter().all(|item| item.item != *ahead));
        }
        let roster = match run.rosters.iter().find(|known| ***known == roster) {
            Some(known) => Rc::clone(known),
            None => {
                let roster = Rc::new(roster);
                run.rosters.push(Rc::clone(&roster));
                roster
            }
        };
        run.left = run.left.saturating_sub(items.len());
        run.came.extend(items.into_iter().map(|item| (Rc::clone(&roster), item)));
    }

    /// Fills up what a worker has before it: two reports' worth, and less towards the end.
    fn hand_out(&self, number: u32) {
        let mut run = self.run.borrow_mut();
        let mut seats = self.seats.borrow_mut();
        let workers = seats.len();
        let (Some(run), Some(seat)) = (run.as_mut(), seats.iter_mut().find(|seat| seat.number == number)) else {
            return;
        };
        let count = share(run.queue.len(), workers, seat.pace, seat.ahead.len());
        let items: Vec<u32> = run.queue.drain(..count).collect();
        if !items.is_empty() {
            seat.ahead.extend(&items);
            seat.engine.send(&ToWorker::Items { job: run.job, items });
        }
    }

    /// A worker is gone: its items go back to the others.
    fn lose(inner: &Rc<Self>, number: u32, reason: &str) {
        let lost = {
            let mut seats = inner.seats.borrow_mut();
            let at = seats.iter().position(|seat| seat.number == number);
            at.map(|at| seats.remove(at))
        };
        let Some(seat) = lost else { return };
        seat.engine.terminate();
        let others: Vec<u32> = inner.seats.borrow().iter().map(|seat| seat.number).collect();
        let on_news = {
            let mut run = inner.run.borrow_mut();
            let Some(run) = run.as_mut() else { return };
            for item in seat.ahead.into_iter().rev() {
                run.queue.push_front(item);
            }
            Rc::clone(&run.on_news)
        };
        if others.is_empty() {
            inner.flush();
            inner.run.borrow_mut().take();
            on_news(News::Failed(reason.to_owned()));
        } else {
            on_news(News::Weaker(reason.to_owned()));
            for number in others {
                inner.hand_out(number);
            }
        }
    }

    fn end_if_done(inner: &Rc<Self>) {
        let ended = inner.run.borrow().as_ref().is_some_and(|run| run.left == 0);
        if !ended {
            Self::flush_later(inner);
            return;
        }
        inner.flush();
        let run = inner.run.borrow_mut().take();
        if let Some(run) = run {
            (run.on_news)(News::Done { elapsed_ms: browser::now_ms() - run.start_ms });
        }
    }

    fn flush(&self) {
        let due = {
            let mut run = self.run.borrow_mut();
            run.as_mut()
                .filter(|run| !run.came.is_empty())
                .map(|run| (std::mem::take(&mut run.came), Rc::clone(&run.on_news)))
        };
        if let Some((items, on_news)) = due {
            on_news(News::Items(items));
        }
    }

    fn flush_later(inner: &Rc<Self>) {
        if inner.timer_is_set.replace(true) {
            return;
        }
        if inner.timer.borrow().is_none() {
            let own = Rc::downgrade(inner);
            *inner.timer.borrow_mut() = Some(Closure::new(move || {
                if let Some(inner) = own.upgrade() {
                    inner.timer_is_set.set(false);
                    inner.flush();
                }
            }));
        }
        if let Some(timer) = &*inner.timer.borrow() {
            browser::after(FLUSH_MS, timer.as_ref().unchecked_ref());
        }
    }
}

/// How many more items a worker gets that has `ahead` before it and sent `pace` back at once, when `queued` wait for
/// `workers` workers.
fn share(queued: usize, workers: usize, pace: usize, ahead: usize) -> usize {
    let fair = queued.div_ceil(2 * workers.max(1));
    (2 * pace).min(MAX_AHEAD).min(fair.max(1)).saturating_sub(ahead).min(queued)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_worker_has_two_reports_before_it_and_less_towards_the_end() {
        assert_eq!(share(1000, 4, 2, 0), 4);
        assert_eq!(share(1000, 4, 10, 5), 15);
        assert_eq!(share(1000, 4, 10, 30), 0);
        assert_eq!(share(1000, 2, 500, 0), 64);
        assert_eq!(share(7, 4, 10, 0), 1);
        assert_eq!(share(1, 4, 10, 0), 1);
        assert_eq!(share(0, 4, 10, 0), 0);
    }

    /// However fast the workers are, all items are handed out in the end.
    #[test]
    fn no_item_is_left() {
        let (mut queued, mut handed) = (97, 0);
        while queued > 0 {
            let count = share(queued, 3, 4, 0);
            assert!(count > 0);
            queued -= count;
            handed += count;
        }
        assert_eq!(handed, 97);
    }
}
