//! A site is added to a group that lives, whatever store each site is in, and a group moves from one store to another while
//! its application writes.

mod add;
mod cut;
mod house;
mod lost;
mod moved;
mod refused;
mod unheard;
mod within;
