//! The channels of images in words.

use crate::i18n::*;
use types::Channel;

/// The channel, as a heading or a choice.
pub fn channel_word(i18n: I18n, channel: Channel) -> &'static str {
    match channel {
        Channel::Production => tu_string!(i18n, image.production),
        Channel::Test => tu_string!(i18n, image.test),
        Channel::Maintenance => tu_string!(i18n, image.maintenance),
    }
}
