//! MariaDB's errors, by number: its SQLSTATEs are too coarse to choose a reaction.

use sqlx::mysql::MySqlDatabaseError;

use crate::sql::error::{Constraint, SqlClass, SqlError};

/// What the server said, without the values that it repeats: they are user data and stay out of logs and records.
pub(in crate::sql) fn from_database(error: &MySqlDatabaseError) -> SqlError {
    let (number, said) = (error.number(), error.message());
    let class = class(number, error.code().unwrap_or_default(), said);
    SqlError {
        class,
        code: number.to_string(),
        object: object(number, said),
        message: without_values(number, said),
    }
}

fn class(number: u16, state: &str, said: &str) -> SqlClass {
    match number {
        // What a trigger signals. The state is kept for that, and may come with any number.
        _ if state.starts_with("45") => SqlClass::Constraint(Constraint::Raised),
        // And what goes wrong inside of one for the rows that it meets: too many, none, a CASE that none of them fits.
        1172 | 1242 | 1329 | 1339 | 1643 | 1644 => SqlClass::Constraint(Constraint::Raised),
        1022 | 1062 | 1169 | 1586 | 1859 => SqlClass::Constraint(Constraint::Unique),
        1216 | 1217 | 1451 | 1452 | 1761 | 1762 => SqlClass::Constraint(Constraint::ForeignKey),
        1048 | 1263 | 1364 => SqlClass::Constraint(Constraint::NotNull),
        3819 => SqlClass::Constraint(Constraint::Check),
        // MySQL has another error of that number.
        4025 if state == "23000" => SqlClass::Constraint(Constraint::Check),
        // Locks (lock wait, deadlock, the row changed behind a snapshot, a commit of another server), memory, too many of
        // something, ended by somebody, a table that changed under the statement.
        1205 | 1213 | 1020 | 1206 | 1614 | 1637 | 3058 | 3572 | 3796..=3799 => SqlClass::Transient,
        1037 | 1038 | 1040 | 1041 | 1203 | 1226 | 1317 | 1412 | 1461 | 1615 | 1689 | 1969 | 3015 | 3024 => {
            SqlClass::Transient
        }
        // Read only: a transaction, or the server, which may be told otherwise. 1290 is about other options as well.
        1792 | 1836 => SqlClass::Transient,
        1290 if said.contains("read-only") || said.contains("read_only") => SqlClass::Transient,
        1021 | 1114 | 3019 | 3675 => SqlClass::Full,
        // A file could not be written, or the engine failed: for lack of room, or for good.
        // Numbers below a thousand are the system's and the engine's own: none of them is about the data.
        ..1000 | 1026 | 1030 | 1598 if has_no_room(said) => SqlClass::Full,
        ..1000 | 1023..=1026 | 1030 | 1033..=1035 | 1194 | 1195 | 1598 | 1712 | 1815 | 1817 | 1877 | 1932 => {
            SqlClass::Broken
        }
        // Shutting down, cut, killed, idle for too long; a commit that failed half-way.
        1053 | 1077..=1080 | 1152 | 1154..=1161 | 1180 | 1184 | 1927 | 2002 | 2003 | 2006 | 2013 => {
            SqlClass::Lost
        }
        // The same of MySQL; the last is about a trigger on MariaDB.
        3100 | 3168 | 3169 => SqlClass::Lost,
        4031 if said.contains("inactivity") => SqlClass::Lost,
        // No way in, no right, an option that forbids it.
        1044 | 1045 | 1046 | 1049 | 1129 | 1130 | 1142 | 1143 | 1227 | 1290 | 1370 | 1419 | 1524 | 1665
        | 1698 | 1820 | 1862 | 1874 | 1881 | 3032 | 3118 | 3159 | 3185 | 3955 | 3989 | 4151 | 6400 => {
            SqlClass::Refused
        }
        // No such table, column, key, routine or view.
        1051 | 1054 | 1109 | 1146 | 1176 | 1305 | 1356 | 1449 => SqlClass::Schema,
        _ => match state.get(..2).unwrap_or_default() {
            "08" => SqlClass::Lost,
            "28" => SqlClass::Refused,
            // Rolled back, by a deadlock or in the middle of a commit.
            "40" => SqlClass::Transient,
            _ => SqlClass::Data,
        },
    }
}

fn has_no_room(said: &str) -> bool {
    // 28: no space left; 122: the quota is used up; 135: the engine's own limit.
    said.contains("No space")
        || ["28", "122", "135"].iter().any(|code| said.contains(&format!("error {code} ")))
        || said.contains("rrcode: 28")
        || said.contains("rrcode: 122")
}

/// The constraint's or the column's name.
fn object(number: u16, said: &str) -> Option<String> {
    // Names stand in the quotes that the session's mode has, keys always in single ones.
    let after = |before: &str| {
        let mut tail = said[said.rfind(before)? + before.len()..].chars();
        let quote = tail.next()?;
        let name = tail.as_str();
        Some(name[..name.find(quote)?].to_owned())
    };
    match number {
        // MySQL has the table's name in front.
        1062 | 1586 => after("for key ").map(|key| key.rsplit('.').next().map(str::to_owned).unwrap_or(key)),
        1451 | 1452 | 4025 => after("CONSTRAINT "),
        3819 => after("Check constraint "),
        1048 | 1364 => said.split('\'').nth(1).map(str::to_owned),
        _ => None,
    }
}

/// The message without the values in it.
fn without_values(number: u16, said: &str) -> String {
    let cut = |from: &str, to: &str| {
        let start = said.find(from)?;
        let end = said.rfind(to).filter(|end| *end >= start).unwrap_or(said.len());
        Some(format!("{}{}", said[..start].trim_end(), &said[end..]))
    };
    let shown = match number {
        1062 | 1586 => cut(" '", " for key "),
        // "Incorrect decimal value: '…' for column …", "Truncated incorrect DOUBLE value: '…'", "… out of range in '…'".
        1292 | 1366 | 1411 | 1525 | 1918 => cut(": '", " for column "),
        1690 => cut(" in '", "\0"),
        _ => None,
    };
    shown.unwrap_or_else(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_out_of_messages_and_names_stay_in() {
        let said = "Duplicate entry 'it's for key 'x'-7' for key 'PRIMARY'";
        assert_eq!(without_values(1062, said), "Duplicate entry for key 'PRIMARY'");
        assert_eq!(object(1062, said).as_deref(), Some("PRIMARY"));
        assert_eq!(object(1062, "Duplicate entry '7' for key 'item.PRIMARY'").as_deref(), Some("PRIMARY"));
        let said = "Incorrect integer value: 'secret for column `z`' for column `shop`.`item`.`n` at row 1";
        assert_eq!(
            without_values(1366, said),
            "Incorrect integer value for column `shop`.`item`.`n` at row 1"
        );
        assert_eq!(
            without_values(1292, "Truncated incorrect DOUBLE value: 'secret'"),
            "Truncated incorrect DOUBLE value"
        );
        assert_eq!(
            without_values(1690, "BIGINT value is out of range in '9 + 9'"),
            "BIGINT value is out of range"
        );
        let said = "Cannot add or update a child row: a foreign key constraint fails (`t`.`c`, CONSTRAINT `c_p` FOREIGN KEY \
                    (`p`) REFERENCES `p` (`id`))";
        assert_eq!(object(1452, said).as_deref(), Some("c_p"));
        let said = said.replace('`', "\"");
        assert_eq!(object(1452, &said).as_deref(), Some("c_p"));
        assert_eq!(object(4025, "CONSTRAINT `positive` failed for `t`.`c`").as_deref(), Some("positive"));
        assert_eq!(object(1048, "Column 'name' cannot be null").as_deref(), Some("name"));
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = "Got error 28 \"No space left on device\" from storage engine InnoDB";
        assert_eq!(class(1030, "HY000", full), SqlClass::Full);
        assert_eq!(
            class(1026, "HY000", "Error writing file './bin' (Errcode: 28 \"No space left on device\")"),
            SqlClass::Full
        );
        assert_eq!(
            class(1030, "HY000", "Got error 1877 \"Unknown error\" from storage engine"),
            SqlClass::Broken
        );
        assert_eq!(class(1114, "HY000", "The table 'x' is full"), SqlClass::Full);
        let corrupted = "Got error '127 \"Table file is corrupted\"' for '/tmp/#sql-temptable-1-2-3.MAI'";
        assert_eq!(class(127, "HY000", corrupted), SqlClass::Broken);
    }

    /// A commit of unknown end must not be taken for one that was refused.
    #[test]
    fn a_server_that_takes_nobody_is_no_fault_of_the_data() {
        assert_eq!(class(3032, "HY000", "The server is currently in offline mode"), SqlClass::Refused);
        let said =
            "The MariaDB server is running with the --read-only option so it cannot execute this statement";
        assert_eq!(class(1290, "HY000", said), SqlClass::Transient);
        let said = said.replace("--read-only", "--skip-grant-tables");
        assert_eq!(class(1290, "HY000", &said), SqlClass::Refused);
        assert_eq!(class(1792, "25006", ""), SqlClass::Transient);
        assert_eq!(class(1836, "HY000", "Running in read-only mode"), SqlClass::Transient);
        let commit = "Plugin instructed the server to rollback the current transaction.";
        assert_eq!(class(3101, "40000", commit), SqlClass::Transient);
        assert_eq!(class(3019, "HY000", "Undo Log error: No more space left"), SqlClass::Full);
    }

    #[test]
    fn what_a_trigger_signals_is_so_whatever_its_number() {
        for (number, state) in
            [(1644, "45000"), (5001, "45000"), (1205, "45777"), (1644, "23000"), (1242, "21000")]
        {
            assert_eq!(class(number, state, "never"), SqlClass::Constraint(Constraint::Raised), "{number}");
        }
    }

    #[test]
    fn a_check_is_told_from_what_else_has_its_number() {
        assert_eq!(class(4025, "23000", ""), SqlClass::Constraint(Constraint::Check));
        assert_eq!(class(4025, "HY000", ""), SqlClass::Data);
    }
}
