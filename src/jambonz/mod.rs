//! Moving in from jambonz.
