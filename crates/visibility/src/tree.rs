//! From sqlparser's tree to ours.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value as Literal};

use crate::syntax::{Condition, Operand, Operator};

/// Recursive, so its frames are kept small: what is not nested is left to `term`.
pub(crate) fn condition(expr: Expr) -> Condition {
    let operator = match &expr {
        Expr::BinaryOp {
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            ..
        } => op.clone(),
        _ => {
            return match expr {
                Expr::Nested(inner) => condition(*inner),
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr,
                } => Condition::Not(Box::new(condition(*expr))),
                other => term(other),
            };
        }
    };
    let mut terms = Vec::new();
    for term in chain(expr, &operator) {
        terms.push(condition(term));
    }
    if operator == BinaryOperator::And {
        Condition::And(terms)
    } else {
        Condition::Or(terms)
    }
}

fn term(expr: Expr) -> Condition {
    match expr {
        Expr::BinaryOp { left, op, right } => match comparison(&op) {
            Some(operator) => Condition::Comparison(operand(*left), operator, operand(*right)),
            None => Condition::Term(Operand::Other("*sqlparser.BinaryExpr")),
        },
        Expr::InList {
            expr,
            list,
            negated,
        } => {
            let operator = if negated {
                Operator::NotIn
            } else {
                Operator::In
            };
            let list = Operand::List(list.into_iter().map(operand).collect());
            Condition::Comparison(operand(*expr), operator, list)
        }
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } => Condition::Range {
            subject: operand(*expr),
            negated,
            low: operand(*low),
            high: operand(*high),
        },
        Expr::IsNull(expr) => Condition::Null {
            subject: operand(*expr),
            negated: false,
        },
        Expr::IsNotNull(expr) => Condition::Null {
            subject: operand(*expr),
            negated: true,
        },
        Expr::IsTrue(_) | Expr::IsNotTrue(_) | Expr::IsFalse(_) | Expr::IsNotFalse(_) => {
            Condition::IsOther
        }
        Expr::Like {
            expr,
            pattern,
            negated,
            ..
        } => {
            let name = if negated { "not like" } else { "like" };
            Condition::Comparison(operand(*expr), Operator::Refused(name), operand(*pattern))
        }
        Expr::RLike {
            expr,
            pattern,
            negated,
            ..
        } => {
            let name = if negated { "not regexp" } else { "regexp" };
            Condition::Comparison(operand(*expr), Operator::Refused(name), operand(*pattern))
        }
        other => Condition::Term(operand(other)),
    }
}

/// The members of a chain of one operator. Such chains lean to the left, one level per term, so they are not walked
/// by recursion.
fn chain(mut expr: Expr, operator: &BinaryOperator) -> Vec<Expr> {
    let mut terms = Vec::new();
    loop {
        match expr {
            Expr::BinaryOp { left, op, right } if op == *operator => {
                terms.push(*right);
                expr = *left;
            }
            first => {
                terms.push(first);
                terms.reverse();
                return terms;
            }
        }
    }
}

fn comparison(operator: &BinaryOperator) -> Option<Operator> {
    Some(match operator {
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::Lt => Operator::Less,
        BinaryOperator::LtEq => Operator::LessOrEqual,
        BinaryOperator::Gt => Operator::Greater,
        BinaryOperator::GtEq => Operator::GreaterOrEqual,
        BinaryOperator::Spaceship => Operator::Refused("<=>"),
        BinaryOperator::Custom(name) => match name.as_str() {
            "starts_with" => Operator::StartsWith,
            "not starts_with" => Operator::NotStartsWith,
            "contains" => Operator::Contains,
            "not contains" => Operator::NotContains,
            _ => return None,
        },
        _ => return None,
    })
}

pub(crate) fn operand(expr: Expr) -> Operand {
    match expr {
        Expr::Identifier(name) => Operand::Column(name.value),
        Expr::Value(value) => literal(value.value),
        Expr::UnaryOp {
            op: op @ (UnaryOperator::Minus | UnaryOperator::Plus),
            expr,
        } => {
            let minus = if op == UnaryOperator::Minus { "-" } else { "" };
            match operand(*expr) {
                Operand::Int(digits) if !digits.starts_with('-') => {
                    Operand::Int(format!("{minus}{digits}"))
                }
                Operand::Float(digits) if !digits.starts_with('-') => {
                    Operand::Float(format!("{minus}{digits}"))
                }
                _ => Operand::Other("*sqlparser.UnaryExpr"),
            }
        }
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            ..
        } => Operand::Other("*sqlparser.NotExpr"),
        Expr::UnaryOp { .. } => Operand::Other("*sqlparser.UnaryExpr"),
        Expr::BinaryOp {
            op: BinaryOperator::And,
            ..
        } => Operand::Other("*sqlparser.AndExpr"),
        Expr::BinaryOp {
            op: BinaryOperator::Or,
            ..
        } => Operand::Other("*sqlparser.OrExpr"),
        Expr::BinaryOp { op, .. } if comparison(&op).is_none() => {
            Operand::Other("*sqlparser.BinaryExpr")
        }
        Expr::BinaryOp { .. } | Expr::InList { .. } | Expr::Like { .. } | Expr::RLike { .. } => {
            Operand::Other("*sqlparser.ComparisonExpr")
        }
        Expr::Between { .. } => Operand::Other("*sqlparser.RangeCond"),
        Expr::IsNull(_) | Expr::IsNotNull(_) => Operand::Other("*sqlparser.IsExpr"),
        Expr::Nested(_) => Operand::Other("*sqlparser.ParenExpr"),
        Expr::Tuple(members) => Operand::List(members.into_iter().map(operand).collect()),
        Expr::Function(_) => Operand::Function,
        _ => Operand::Other("an unknown expression"),
    }
}

fn literal(value: Literal) -> Operand {
    match value {
        Literal::Number(digits, _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Operand::Int(digits)
        }
        Literal::Number(digits, _) => Operand::Float(digits),
        Literal::SingleQuotedString(text) | Literal::DoubleQuotedString(text) => {
            Operand::String(text)
        }
        Literal::Boolean(value) => Operand::Bool(value),
        Literal::Null => Operand::Other("*sqlparser.NullVal"),
        Literal::HexStringLiteral(digits) => Operand::Unreadable(format!("0x{digits}")),
        Literal::Placeholder(_) => Operand::Unreadable(":v1".to_owned()),
        _ => Operand::Other("an unknown literal"),
    }
}
