//! Scenes about what an account is beside an agent, and about sessions on their way in.

use super::{Kit, person, token};
use store::{AddError, BlockReason, Blocked, Stage, Store, Way};
use terms::{AgentId, Role, WallTime};

pub async fn an_account_keeps_what_was_said_of_it_and_shares_no_address<S: Store>(kit: &Kit<S>) {
    let mut ann = person("ann", "2001");
    ann.email = Some("Ann@Example.com".into());
    let ids = kit.store.add_agents(vec![ann, person("ben", "2002")]).await.unwrap();
    let (ann, ben) = (ids[0], ids[1]);

    let known = kit.store.account_by_email("ann@example.COM").await.unwrap().unwrap();
    assert_eq!((known.agent.id, known.role, known.way), (ann, Role::Agent, Way::Local));
    assert_eq!((known.password_at, known.must_change, known.blocked), (None, false, None));
    let taken = kit.store.set_email(ben, Some("ANN@example.com".into())).await;
    assert!(matches!(&taken, Err(AddError::Conflict { field: "email", .. })), "{taken:?}");
    let mut cid = person("cid", "2003");
    cid.email = Some("ann@example.com".into());
    let taken = kit.store.add_agents(vec![cid]).await;
    assert!(matches!(&taken, Err(AddError::Conflict { line: 1, field: "email", .. })), "{taken:?}");
    for bad in ["", "ann", "a b@c", "ann@", "@c", "a@b@c", "a@b>\r\nBcc: x@y"] {
        let answer = kit.store.set_email(ben, Some(bad.into())).await;
        assert!(matches!(answer, Err(AddError::Invalid { field: "email", .. })), "{bad}");
    }

    kit.store.set_role(ann, Role::Supervisor).await.unwrap();
    kit.store.set_way(ann, Way::Oidc).await.unwrap();
    kit.store.put_password(ann, "$argon2id$own".into(), Some(WallTime(7)), false).await.unwrap();
    let block = Blocked { since: WallTime(8), until: Some(WallTime(9)), why: BlockReason::NotMe };
    kit.store.block(ann, Some(block)).await.unwrap();
    kit.store.set_email(ann, Some("a@example.com".into())).await.unwrap();
    let ann_now = kit.store.account_by_id(ann).await.unwrap().unwrap();
    assert_eq!((ann_now.role, ann_now.way), (Role::Supervisor, Way::Oidc));
    assert_eq!((ann_now.password_at, ann_now.blocked), (Some(WallTime(7)), Some(block)));
    assert!(block.holds(WallTime(8)) && !block.holds(WallTime(9)));
    assert_eq!(ann_now.email.as_deref(), Some("a@example.com"));
    kit.store.put_password(ann, "$argon2id$lent".into(), None, true).await.unwrap();
    kit.store.block(ann, None).await.unwrap();
    let ann_now = kit.store.account_by_id(ann).await.unwrap().unwrap();
    assert_eq!((ann_now.password_at, ann_now.must_change, ann_now.blocked), (None, true, None));
    assert_eq!(kit.store.accounts().await.unwrap().len(), 2);
    assert!(kit.store.set_role(AgentId(99), Role::Engineer).await.is_err());
}

pub async fn a_stage_is_passed_once_and_under_another_token<S: Store>(kit: &Kit<S>) {
    let ids = kit.store.add_agents(vec![person("ann", "2001")]).await.unwrap();
    kit.pending(ids[0], 1, 1_000).await;
    let mut session = kit.store.session(token(1), WallTime(1_001)).await.unwrap().unwrap();
    session.token_sha256 = token(2);
    session.stage = Stage::ChangePassword;
    assert!(kit.store.advance_session(token(1), session.clone()).await.unwrap());
    assert_eq!(kit.store.session(token(1), WallTime(1_001)).await.unwrap(), None);
    assert_eq!(kit.store.session(token(2), WallTime(1_001)).await.unwrap(), Some(session.clone()));

    let again = store::WebSession { token_sha256: token(3), ..session.clone() };
    assert!(!kit.store.advance_session(token(1), again).await.unwrap(), "the old one is used up");
    assert_eq!(kit.store.session(token(3), WallTime(1_001)).await.unwrap(), None);

    // Nobody sits down with a session that has something to do first.
    let phones = kit.phones(&["desk-17"]).await;
    let claim = super::claim(ids[0], phones[0], None, 1_002);
    let upgrade = store::Upgrade {
        pending: token(2),
        token_sha256: token(4),
        csrf: "full".into(),
        expires: WallTime(9_000),
    };
    assert_eq!(kit.store.claim_login(claim, Some(upgrade)).await.unwrap(), store::Claimed::NoSession);
    assert_eq!(kit.store.logins().await.unwrap(), []);
    kit.store.drop_pending_sessions(ids[0]).await.unwrap();
    assert_eq!(kit.store.session(token(2), WallTime(1_001)).await.unwrap(), None);
}
