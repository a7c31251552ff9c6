//! `nsboot token`: API tokens, one's own or as an admin those of others.

use super::{
    CliError,
    address::{Query, at},
    connect::Change,
    console::Console,
    listing::Listing,
    render,
    user::RoleArg,
};
use clap::Subcommand;
use types::{ApiTokenView, CreateTokenParams, NewTokenView, Problem, TokenId};

const PATH: &str = "/api/v1/tokens";

#[derive(Subcommand)]
pub enum TokenCommand {
    /// List API tokens, never their secrets
    Ls {
        /// Those of this account instead of one's own, `*` for all; for admins
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Make an API token; its secret is printed this one time
    Add {
        /// What it is for
        name: String,
        /// What it may do, at most
        #[arg(long, value_enum)]
        role: RoleArg,
        /// Days until it expires, 1 to 3650
        #[arg(long, default_value = "90")]
        days: u32,
        /// For this account instead of one's own; for admins
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Remove API tokens
    Rm {
        /// Ids, or names
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
        /// They are this account's instead of one's own; for admins
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// Runs a command about API tokens.
///
/// # Errors
/// As the server says.
pub fn run(command: TokenCommand, console: &Console) -> Result<(), CliError> {
    match command {
        TokenCommand::Ls { user, listing } => {
            let tokens: Vec<ApiTokenView> = console.all(&listing.of(&of(user)))?;
            console.print(&tokens, || render::tokens(&tokens))
        }
        TokenCommand::Add {
            name,
            role,
            days,
            user,
        } => {
            let params = CreateTokenParams {
                name,
                role: role.into(),
                expires_in_days: days,
            };
            let change = Change::new("POST", of(user)).once().body(&params)?;
            let Some(new) = console.change::<NewTokenView>(change)? else {
                return Ok(());
            };
            console.print(&new, || new.secret.clone())?;
            console.say(&format!(
                "This is the token {} of {}, shown this one time. It expires at {}.",
                new.token.name, new.token.username, new.token.expires_at
            ));
            Ok(())
        }
        TokenCommand::Rm { tokens, user } => {
            let ids = ids(tokens, user, console)?;
            console.remove(("token", "tokens"), &ids, |id| {
                Change::new("DELETE", at("tokens", id))
            })
        }
    }
}

/// Where the tokens of an account are, or one's own.
fn of(user: Option<String>) -> String {
    Query::of(PATH).with("user", user).path()
}

/// Ids as they are; names are looked up among the account's tokens.
fn ids(
    tokens: Vec<String>,
    user: Option<String>,
    console: &Console,
) -> Result<Vec<String>, CliError> {
    if tokens.iter().all(|t| t.parse::<TokenId>().is_ok()) {
        return Ok(tokens);
    }
    let known: Vec<ApiTokenView> = console.all(&of(user))?;
    let id = |token: String| {
        if token.parse::<TokenId>().is_ok() {
            return Ok(token);
        }
        let mut named = known.iter().filter(|k| k.name == token);
        match (named.next(), named.next()) {
            (Some(one), None) => Ok(one.id.to_string()),
            (None, _) => Err(CliError::Problem(Box::new(Problem::new(
                404,
                "NSB-CLI-017",
                format!("there is no token {token:?}"),
                "List them with `nsboot token ls`; name another account with --user.",
            )))),
            (Some(_), Some(_)) => Err(CliError::Usage {
                what: format!("several tokens are called {token:?}"),
                code: "NSB-CLI-018",
                hint: "Name the one by its id, as `nsboot token ls` shows it.".into(),
            }),
        }
    };
    tokens.into_iter().map(id).collect()
}
