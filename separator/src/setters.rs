//! Methods that set the fields of options, one after the other: `Options::new().overlap(0.5)`.

/// Implements `new`, which returns the default, and a method for each field, which returns the
/// options with another value of it.
macro_rules! setters {
    ($options:ident { $($field:ident: $value:ty,)* }) => {
        impl $options {
            /// Returns the default.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](struct@", stringify!($options), ").")]
                #[must_use]
                pub fn $field(mut self, value: $value) -> Self {
                    self.$field = value.into();
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
