//! `nsboot user`: accounts. Passwords are asked for, or are lines of stdin, and never arguments.

use super::{
    CliError, address::at, connect::Change, console::Console, listing::Listing, question, render,
    session,
};
use clap::{Subcommand, ValueEnum};
use types::{ChangePasswordParams, CreateUserParams, Role, UpdateUserParams, UserView};

#[derive(Subcommand)]
pub enum UserCommand {
    /// List accounts
    Ls {
        #[command(flatten)]
        listing: Listing,
    },
    /// Show an account
    Show {
        /// Name or id
        user: String,
    },
    /// Make an account; asks for its password, or reads it as a line of stdin
    Add {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: RoleArg,
    },
    /// Change an account; a new role ends its sessions
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// Name or id
        user: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// What it may do
        #[arg(long, value_enum, group = "change")]
        role: Option<RoleArg>,
        /// Only if it is still at this revision, as `user show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Remove accounts with their sessions and tokens
    Rm {
        /// Names or ids
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Give an account a new password, or yourself when none is named; its sessions end.
    ///
    /// Asks, or reads lines of stdin: the new password, and before it the current one when it is
    /// your own.
    Passwd {
        /// Name or id; for admins
        user: Option<String>,
    },
    /// List the sign-ins of an account
    Sessions {
        /// Name or id
        user: String,
        #[command(flatten)]
        listing: Listing,
    },
    /// End all sign-ins of an account
    Signout {
        /// Name or id
        user: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum RoleArg {
    /// Looks
    Viewer,
    /// Looks, and changes computers, images and the lab
    Operator,
    /// All of it, with users, tokens, settings and the audit log
    Admin,
}

impl From<RoleArg> for Role {
    fn from(r: RoleArg) -> Self {
        match r {
            RoleArg::Viewer => Role::Viewer,
            RoleArg::Operator => Role::Operator,
            RoleArg::Admin => Role::Admin,
        }
    }
}

/// Runs a command about accounts.
///
/// # Errors
/// As the server says; when a password is missing.
pub fn run(command: UserCommand, console: &Console) -> Result<(), CliError> {
    match command {
        UserCommand::Ls { listing } => {
            let users: Vec<UserView> = console.all(&listing.of("/api/v1/users"))?;
            console.print(&users, || render::users(&users))
        }
        UserCommand::Show { user } => {
            let user: UserView = console.server.get(&at("users", &user))?;
            console.print(&user, || render::user(&user))
        }
        UserCommand::Add { name, role } => {
            let password = new_password(&format!("Password for {name}: "), console)?;
            let params = CreateUserParams {
                username: name,
                password,
                role: role.into(),
            };
            show(Change::new("POST", "/api/v1/users").body(&params)?, console)
        }
        UserCommand::Set {
            user,
            name,
            role,
            if_match,
        } => {
            let params = UpdateUserParams {
                username: name,
                password: None,
                role: role.map(Into::into),
            };
            let change = Change::new("PATCH", at("users", &user)).body(&params)?;
            show(change.if_match(if_match), console)
        }
        UserCommand::Rm { users } => console.remove(("account", "accounts"), &users, |user| {
            Change::new("DELETE", at("users", user))
        }),
        UserCommand::Passwd { user: Some(user) } => set_password(&user, console),
        UserCommand::Passwd { user: None } => own_password(console),
        UserCommand::Sessions { user, listing } => session::of_user(&user, listing, console),
        UserCommand::Signout { user } => {
            let path = format!("{}/sessions", at("users", &user));
            session::end_all(Change::new("DELETE", path), console)
        }
    }
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<UserView>(change)? {
        None => Ok(()),
        Some(user) => console.print(&user, || render::users(std::slice::from_ref(&user))),
    }
}

fn set_password(user: &str, console: &Console) -> Result<(), CliError> {
    let params = UpdateUserParams {
        password: Some(new_password(
            &format!("New password for {user}: "),
            console,
        )?),
        ..UpdateUserParams::default()
    };
    let change = Change::new("PATCH", at("users", user)).body(&params)?;
    if console.act(change)? {
        console.say(&format!(
            "{user} has a new password; the account's sessions have ended."
        ));
    }
    Ok(())
}

fn own_password(console: &Console) -> Result<(), CliError> {
    let current = match console.is_dry() {
        true => String::new(),
        false => question::secret("Current password: ")?,
    };
    let params = ChangePasswordParams {
        current,
        new: new_password("New password: ", console)?,
    };
    let change = Change::new("POST", "/api/v1/auth/password").body(&params)?;
    if console.act(change)? {
        console.say("You have a new password; your other sessions have ended.");
    }
    Ok(())
}

/// Nobody is asked for what will not be sent.
fn new_password(ask: &str, console: &Console) -> Result<String, CliError> {
    match console.is_dry() {
        true => Ok(String::new()),
        false => question::new_password(ask),
    }
}
