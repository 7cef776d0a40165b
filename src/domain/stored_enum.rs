//! Defines enums whose variants are stored as text.

/// Defines an enum from one list of its variants and their stored spellings.
macro_rules! stored_enum {
    (
        $(#[$attribute:meta])*
        $name:ident {
            $($(#[$documentation:meta])* $variant:ident => $text:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$documentation])* $variant,)+
        }

        impl $name {
            /// Every variant.
            pub(crate) const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The variant with this stored spelling.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|variant| variant.as_str() == text)
            }

            /// The stored spelling.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}
