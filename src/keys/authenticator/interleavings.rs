//! All orders in which two who show keys, the thread that hashes, and somebody who changes something can come to do
//! their next step. In none is somebody let in who came after the change was acknowledged.

use super::world::{World, other, tiny};
use super::*;
use crate::keys::token::KeyToken;
use futures_lite::future::block_on;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Which of the possible steps is next: those of one order after the other, until there was every order.
#[derive(Default)]
struct Orders {
    /// What was chosen of how many.
    chosen: Vec<(usize, usize)>,
    at: usize,
}

impl Orders {
    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.chosen.len() {
            self.chosen.push((0, of));
        }
        let (choice, before) = self.chosen[self.at];
        assert_eq!(before, of, "the same steps lead to the same");
        self.at += 1;
        choice
    }

    /// Goes on to the next order, if there is one.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, of)) = self.chosen.pop() {
            if choice + 1 < of {
                self.chosen.push((choice + 1, of));
                return true;
            }
        }
        false
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Answer = Result<Authenticated, AuthError>;

/// Somebody who shows a token.
struct Caller<'a> {
    token: &'a str,
    future: Option<Pin<Box<dyn Future<Output = Answer> + 'a>>>,
    woken: Arc<Woken>,
    began_after: bool,
    answer: Option<Answer>,
    answered_before: bool,
}

impl<'a> Caller<'a> {
    fn new(token: &'a str) -> Self {
        Self {
            token,
            future: None,
            woken: Arc::new(Woken(AtomicBool::new(true))),
            began_after: false,
            answer: None,
            answered_before: false,
        }
    }

    fn can_go_on(&self) -> bool {
        self.answer.is_none() && self.woken.0.load(Ordering::SeqCst)
    }

    fn go_on(&mut self, authenticator: &'a Authenticator, changed: bool) {
        let future = self.future.get_or_insert_with(|| {
            self.began_after = changed;
            Box::pin(authenticator.authenticate(self.token))
        });
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.answer = Some(answer);
            self.answered_before = !changed;
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Revoke,
    Disable,
    Expire,
    Suspend,
    DeleteAccount,
    /// The key gets another secret.
    Replace,
    /// Better hashes are written: nobody notices.
    Rehash,
}

impl Change {
    const ALL: [Self; 7] = [
        Self::Revoke,
        Self::Disable,
        Self::Expire,
        Self::Suspend,
        Self::DeleteAccount,
        Self::Replace,
        Self::Rehash,
    ];

    fn make(self, world: &World, token: &KeyToken) {
        match self {
            Self::Revoke => world.revoke(token),
            Self::Disable => world.disable(token, true),
            Self::Expire => world.expire(),
            Self::Suspend => world.suspend(),
            Self::DeleteAccount => world.delete_account(),
            Self::Replace => world.replace_secret(token),
            Self::Rehash => block_on(world.authenticator.flush_all()).unwrap(),
        }
    }

    /// What who shows the right token gets afterwards; `None` if it is let in.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Revoke | Self::DeleteAccount => Some("unknown"),
            Self::Disable => Some("disabled"),
            Self::Expire => Some("expired"),
            Self::Suspend => Some("suspended"),
            Self::Replace => Some("wrong_secret"),
            Self::Rehash => None,
        }
    }

    /// How often it is made.
    fn times(self) -> usize {
        if matches!(self, Self::Rehash) { 2 } else { 1 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Setting {
    live: bool,
    /// Whether the token was shown before.
    recognized: bool,
    /// Whether something else was committed since.
    stale: bool,
    /// How many show the token.
    callers: usize,
    change: Change,
}

/// Goes through all orders; gives how many there are.
fn every_order(setting: Setting) -> usize {
    let mut orders = Orders::default();
    let mut count = 0;
    loop {
        one_order(setting, &mut orders);
        count += 1;
        if !orders.advance() {
            return count;
        }
    }
}

fn one_order(setting: Setting, orders: &mut Orders) {
    let Setting { live, recognized, stale, callers, change } = setting;
    let world = World::new(live);
    let token = KeyToken::generate(&world.random).unwrap();
    let params = if matches!(change, Change::Rehash) { other() } else { tiny() };
    world.add(&token, Scope::Account(World::sid()), params);
    if recognized {
        world.show(token.reveal()).unwrap();
    }
    if stale {
        world.key();
    }
    let mut callers: Vec<_> = (0..callers).map(|_| Caller::new(token.reveal())).collect();
    let mut changes = 0;
    loop {
        let ready: Vec<usize> = (0..callers.len()).filter(|n| callers[*n].can_go_on()).collect();
        let jobs = usize::from(world.pool.waiting() > 0);
        let left = usize::from(changes < change.times());
        let steps = ready.len() + jobs + left;
        if steps == 0 {
            break;
        }
        let step = orders.choose(steps);
        if let Some(caller) = ready.get(step) {
            callers[*caller].go_on(&world.authenticator, changes > 0);
        } else if step < ready.len() + jobs {
            world.pool.run_next();
        } else {
            change.make(&world, &token);
            changes += 1;
        }
    }
    for caller in &callers {
        let answer =
            caller.answer.as_ref().unwrap_or_else(|| panic!("it hangs: {setting:?} {:?}", orders.chosen));
        let code = answer.as_ref().err().map(AuthError::code);
        let right = match change.code() {
            None => code.is_none(),
            refused if caller.began_after => code == refused,
            _ if caller.answered_before => code.is_none(),
            // It looks and answers in one step.
            refused if live => code == refused,
            refused => code.is_none() || code == refused,
        };
        assert!(right, "{setting:?} {:?}: {answer:?}", orders.chosen);
    }
    // Nothing that happened on the way makes it wrong later.
    let later = world.show(token.reveal());
    assert_eq!(later.err().map(|error| error.code()), change.code(), "{setting:?} {:?}", orders.chosen);
}

fn all_settings(live: bool, callers: usize) -> usize {
    let mut count = 0;
    for change in Change::ALL {
        for (recognized, stale) in [(false, false), (true, false), (true, true)] {
            count += every_order(Setting { live, recognized, stale, callers, change });
        }
    }
    count
}

#[test]
fn two_callers_and_a_change() {
    let orders = all_settings(true, 2);
    assert!(orders > 300, "{orders}");
}

#[test]
fn one_caller_and_a_change_in_a_store_without_a_live_snapshot() {
    let orders = all_settings(false, 1);
    assert!(orders > 100, "{orders}");
}

/// Those who are not recognized take so many steps there that all orders are too many.
#[test]
fn two_recognized_callers_and_a_change_in_a_store_without_a_live_snapshot() {
    for change in [Change::Disable, Change::Expire, Change::Suspend] {
        let setting = Setting { live: false, recognized: true, stale: false, callers: 2, change };
        assert!(every_order(setting) > 50);
    }
}

#[test]
#[ignore = "takes a minute"]
fn three_callers_and_a_change() {
    println!("{} orders", all_settings(true, 3));
}
