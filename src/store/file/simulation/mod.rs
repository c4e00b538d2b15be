//! The account file on a simulated disk: random programs, power cuts, and what is found after them.

mod dice;
mod disk;
mod model;
mod names;
mod platter;
mod sample;
