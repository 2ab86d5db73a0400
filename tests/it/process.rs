//! The command that the other tests run is there.

use journal_tests::process::daybook;

#[test]
fn the_command_is_built_along_with_the_tests() {
    let ended = daybook().args(["--version"]).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
